//! `.nnet`.

use lipbound::io::ReadOptions;

use crate::support::{check_messages, layers, message, read_file};

const GOOD: &str = "// a comment
2,2,1,3,
2,3,1,
0,
-1.0,-1.0,
1.0,1.0,
0.5,-0.5,10.0,
2.0,4.0,5.0,
1.0,2.0,
3.0,4.0,
5.0,6.0,
0.1,
0.2,
0.3,
7,8,9,
1e-1,
";

#[test]
fn weights_are_plain_unless_normalised() {
    let network = read_file("m.nnet", GOOD.as_bytes(), &ReadOptions::default()).expect("valid");
    assert_eq!(layers(&network)[0]["weight"].to_string(), "[[1.0,2.0],[3.0,4.0],[5.0,6.0]]");
    assert_eq!(layers(&network)[2]["bias"].to_string(), "[0.1]");
    assert_eq!(
        network.notes,
        [
            "inputs and outputs are the normalised ones; --nnet-normalise makes the file's normalisation part of the network"
        ]
    );
    let options = ReadOptions { nnet_normalise: true, ..Default::default() };
    let network = read_file("m.nnet", GOOD.as_bytes(), &options).expect("valid");
    let found = layers(&network);
    assert_eq!(found[0]["bias"].to_string(), "[-0.5,0.5]");
    assert_eq!(found[1]["weight"].to_string(), "[[0.5,0.0],[0.0,0.25]]");
    assert_eq!(found[3]["type"], "relu");
    assert_eq!(
        (found[5]["weight"].to_string(), found[5]["bias"].to_string()),
        ("[[5.0]]".into(), "[10.0]".into())
    );
    // Some programs leave out the mean and the range of the outputs.
    let few = GOOD.replace("-0.5,10.0,", "-0.5,").replace("4.0,5.0,", "4.0,");
    assert!(read_file("m.nnet", few.as_bytes(), &ReadOptions::default()).is_ok());
    let digits = GOOD.replace("7,8,9,", "7,8,0.30000000000000000000001,");
    let network = read_file("m.nnet", digits.as_bytes(), &options).expect("valid");
    assert!(network.notes[1].starts_with("1 number has more digits"), "{:?}", network.notes);
    let network = read_file("m.nnet", GOOD.as_bytes(), &options).expect("valid");
    assert!(network.notes[0].starts_with("the file's normalisation of inputs and outputs is part"));
}

#[test]
fn wrong_nnet_files() {
    let cases: Vec<(&str, String)> = vec![
        ("truncated", GOOD[..GOOD.len() - 6].to_owned()),
        ("comments only", "// x\n".to_owned()),
        ("short header", GOOD.replace("2,2,1,3,", "2,2,")),
        ("header and sizes", GOOD.replace("2,3,1,", "2,3,3,1,")),
        ("no sizes", GOOD.replace("2,3,1,", ",")),
        ("terabytes", GOOD.replace("2,3,1,", "2,1000000000000,1,")),
        ("size is no integer", GOOD.replace("2,3,1,", "2,3.5,1,")),
        ("negative size", GOOD.replace("2,3,1,", "2,-3,1,")),
        ("short row", GOOD.replace("3.0,4.0,", "3.0,")),
        ("text", GOOD.replace("3.0,4.0,", "3.0,four,")),
        ("surplus size", GOOD.replace("2,2,1,3,", "2,2,1,3,3,")),
        ("surplus flag", GOOD.replace("\n0,\n", "\n0,0,\n")),
        ("surplus minimum", GOOD.replace("-1.0,-1.0,", "-1.0,-1.0,-1.0,")),
        ("surplus maximum", GOOD.replace("1.0,1.0,\n0.5", "1.0,1.0,1.0,\n0.5")),
        ("surplus mean", GOOD.replace("0.5,-0.5,10.0,", "0.5,-0.5,10.0,10.0,")),
        ("surplus range", GOOD.replace("2.0,4.0,5.0,", "2.0,4.0,5.0,5.0,")),
        ("surplus weight", GOOD.replace("3.0,4.0,", "3.0,4.0,5.0,")),
        ("missing number", GOOD.replace("7,8,9,", "7,,8,9,")),
        ("behind the end", format!("{GOOD}// a remark\n0.5,\n")),
        ("NaN", GOOD.replace("3.0,4.0,", "3.0,nan,")),
    ];
    let options = ReadOptions::default();
    let mut messages: Vec<(String, String)> = cases
        .iter()
        .map(|(case, text)| ((*case).to_owned(), message("m.nnet", text.as_bytes(), &options)))
        .collect();
    let options = ReadOptions { nnet_normalise: true, ..Default::default() };
    for (case, text) in [
        ("few means", GOOD.replace("0.5,-0.5,10.0,", "0.5,")),
        ("surplus range of outputs", GOOD.replace("2.0,4.0,5.0,", "2.0,4.0,5.0,5.0,")),
        ("few ranges", GOOD.replace("2.0,4.0,5.0,", "2.0,")),
        ("range 0", GOOD.replace("2.0,4.0,5.0,", "2.0,0.0,5.0,")),
    ] {
        messages.push((case.to_owned(), message("m.nnet", text.as_bytes(), &options)));
    }
    messages.push(("not UTF-8".to_owned(), message("m.nnet", b"// \xff", &options)));
    check_messages("nnet", messages);
}
