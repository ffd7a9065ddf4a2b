//! Reports of the parts of a model become one of the whole.

use super::Model;
use crate::numeric::Norm;
use crate::report::part::{Axis, Part, Rule, join};
use crate::report::{NormReport, Report};

/// The models with one in place of parts, in each norm in which these are all there. What is not joined stays
/// as it is, with a note that says why.
pub fn join_parts(mut models: Vec<Model>) -> Vec<Model> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, model) in models.iter().enumerate() {
        if part_of(model).is_none() {
            continue;
        }
        match groups.iter_mut().find(|group| is_of_the_same(model, &models[group[0]])) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    let wholes: Vec<(usize, Model)> =
        groups.iter().filter_map(|group| Some((group[0], whole_of(&mut models, group)?))).collect();
    let mut joined = Vec::with_capacity(models.len());
    for (i, model) in models.into_iter().enumerate() {
        joined.extend(wholes.iter().filter(|(first, _)| *first == i).map(|(_, w)| w.clone()));
        if !is_used_up(&model) {
            joined.push(model);
        }
    }
    joined
}

fn part_of(model: &Model) -> Option<&Part> {
    model.outcome.as_ref().ok()?.part.as_ref()
}

/// Whether two parts are of the same whole, under the same name.
fn is_of_the_same(a: &Model, b: &Model) -> bool {
    let name = |model: &Model| model.outcome.as_ref().ok().map(|report| report.model.clone());
    let fit = part_of(a).zip(part_of(b)).is_some_and(|(a, b)| a.fits(b));
    fit && name(a) == name(b)
}

/// Whether nothing is left of a part.
fn is_used_up(model: &Model) -> bool {
    part_of(model).is_some() && model.outcome.as_ref().is_ok_and(|r| r.norms.is_empty())
}

/// The whole in the norms in which all parts are there, which the parts lose.
fn whole_of(models: &mut [Model], group: &[usize]) -> Option<Model> {
    let reports: Vec<Report> =
        group.iter().filter_map(|&i| models[i].outcome.as_ref().ok().cloned()).collect();
    let first = reports.first()?;
    let part = first.part.as_ref()?;
    let others = models.iter().filter(|model| {
        let same = model.outcome.as_ref().is_ok_and(|report| report.model == first.model);
        same && part_of(model).is_some_and(|p| p.axis == part.axis && !p.fits(part))
    });
    let others = others.count();
    let (mut norms, mut notes) = (Vec::new(), Vec::new());
    for norm in Norm::ALL {
        let of_norm = |report: &Report| report.norms.iter().position(|n| n.norm == norm);
        let found: Vec<(&Part, &NormReport)> = reports
            .iter()
            .filter_map(|report| Some((report.part.as_ref()?, &report.norms[of_norm(report)?])))
            .collect();
        let say = |text: String| format!("{} in {norm}: {text}", first.model);
        match join(&found) {
            Ok(joined) => {
                // A single part that is all of the model needs no remark.
                if found.len() > 1 {
                    notes.push(say(remark(part.axis, norm, found.len())));
                }
                norms.push(joined);
            }
            Err(reason) if found.len() > 1 || others > 0 => {
                let mut text = format!("the parts are not joined: {reason}");
                if others > 0 {
                    text.push_str("; other parts under this name are of another model or box");
                }
                add_note(&mut models[group[0]], say(text));
            }
            Err(_) => {}
        }
    }
    for &i in group {
        if let Ok(report) = &mut models[i].outcome {
            report.norms.retain(|known| norms.iter().all(|n: &NormReport| n.norm != known.norm));
        }
    }
    if norms.is_empty() {
        return None;
    }
    let mut all: Vec<String> = Vec::new();
    for note in reports.iter().flat_map(|report| &report.notes).chain(&notes) {
        if !all.contains(note) {
            all.push(note.clone());
        }
    }
    let scope = first.scope.as_deref().and_then(|scope| part.scope_of_whole(scope));
    let mut report = Report { scope, part: None, notes: all, norms, ..first.clone() };
    reports.iter().for_each(|part| report.assume(&part.assumed));
    let taken = models.iter().any(|model| model.name == report.model && !is_used_up(model));
    let name = if taken { format!("{} (joined)", report.model) } else { report.model.clone() };
    Some(Model { name, outcome: Ok(report), layers: models[group[0]].layers.clone() })
}

fn remark(axis: Axis, norm: Norm, count: usize) -> String {
    let rule = Rule::of(axis, norm);
    let mut text = format!(
        "joined from {count} parts of the {}; each bound is {} of theirs",
        axis.id(),
        rule.name()
    );
    if rule != Rule::Largest {
        text.push_str(", which bounds L but is not the bound of that name of the whole model");
    }
    text
}

fn add_note(model: &mut Model, note: String) {
    if let Ok(report) = &mut model.outcome {
        report.notes.push(note);
    }
}
