//! `--plot`: pictures that can be read.
#![allow(clippy::expect_used)] // tests fail by panicking

mod program;

use program::{Folder, failure, stdout};

/// All texts of an SVG picture with their places, and the size of the picture.
fn texts(svg: &str) -> (Vec<(String, f64, f64)>, f64, f64) {
    let document = roxmltree::Document::parse(svg).expect("well-formed XML");
    let number = |node: &roxmltree::Node<'_, '_>, name: &str| -> f64 {
        node.attribute(name).expect("an attribute").parse().expect("a number")
    };
    let root = document.root_element();
    let texts = root.descendants().filter(|node| node.has_tag_name("text"));
    let text = |node: roxmltree::Node<'_, '_>| {
        (node.text().unwrap_or_default().to_owned(), number(&node, "x"), number(&node, "y"))
    };
    (texts.map(text).collect(), number(&root, "width"), number(&root, "height"))
}

fn series(count: u32) -> Folder {
    let folder = Folder::new();
    for epoch in 1..=count {
        folder.write(&format!("epoch{epoch}.json"), &program::model(f64::from(epoch)));
    }
    folder
}

#[test]
fn lines_have_names_numbers_and_no_overlaps() {
    let folder = series(12);
    stdout(folder.run(&["compare", ".", "--plot", "out.svg"]));
    let (texts, width, height) = texts(&folder.read("out.svg"));
    for wanted in ["l1", "l2", "linf", "K5", "Ksdp", "L ≥", "epoch1", "epoch12", "10"] {
        assert!(texts.iter().any(|(text, _, _)| text == wanted), "{wanted}: {texts:?}");
    }
    for (i, (text, x, y)) in texts.iter().enumerate() {
        assert!(*x > 0.0 && *x < width && *y > 0.0 && *y < height, "{text} is outside");
        let near =
            |other: &&(String, f64, f64)| (other.1 - x).abs() < 10.0 && (other.2 - y).abs() < 10.0;
        assert_eq!(texts[i + 1..].iter().find(near), None, "{text}");
    }
}

#[test]
fn very_many_checkpoints_stay_readable() {
    let folder = series(300);
    stdout(folder.run(&["compare", ".", "--norm", "linf", "--bounds", "k5", "--plot", "out.svg"]));
    let (texts, width, _) = texts(&folder.read("out.svg"));
    let names = texts.iter().filter(|(text, _, _)| text.starts_with("epoch")).count();
    assert!(width < 1300.0 && (20..=80).contains(&names), "{width} {names}");
}

#[test]
fn one_model_is_drawn_as_bars() {
    let folder = Folder::new();
    folder.write("a<b>&$c$.json", &program::model(2.0));
    let arguments = ["compute", "a<b>&$c$.json", "--norm", "linf", "--plot"];
    let table = stdout(folder.run(&[&arguments[..], &["out.svg"]].concat()));
    assert!(table.contains("L = 2"), "the report is printed, too: {table}");
    let (texts, ..) = texts(&folder.read("out.svg"));
    for wanted in ["a<b>&$c$.json", "K*", "2 best", "L ≥ 2"] {
        assert!(texts.iter().any(|(text, _, _)| text == wanted), "{wanted}: {texts:?}");
    }
    stdout(folder.run(&[&arguments[..], &["out.PNG"]].concat()));
    let png = std::fs::read(folder.path("out.PNG")).expect("a picture");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    // The same bytes again.
    stdout(folder.run(&[&arguments[..], &["again.png"]].concat()));
    assert_eq!(png, std::fs::read(folder.path("again.png")).expect("a picture"));
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let folder = Folder::new();
    folder.write("zero.json", &program::model(0.0));
    stdout(folder.run(&["compute", "zero.json", "--plot", "out.svg"]));
    assert!(folder.read("out.svg").contains("no positive finite bound"));
    let error = failure(folder.run(&["compute", "zero.json", "--plot", "out.pdf"]));
    assert!(error.contains(".svg or .png"), "{error}");
    // A model that fails leaves a gap and its name.
    folder.write("a.json", &program::model(1.0));
    folder.write("c.json", &program::model(3.0));
    let output = folder.run(&["compare", "a.json", "b.json", "c.json", "--plot", "out.svg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(folder.read("out.svg").contains("b (failed)"));
    let output = folder.run(&["compare", "b.json", "--plot", "none.svg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path("none.svg").exists());
}
