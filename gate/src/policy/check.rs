//! What a table must mean to be a policy: each rule can pass, and each can fail.

use std::{collections::BTreeSet, ops::Range};

use lineal_schemas::vocabulary::{
    names::{PolicyName, ServiceBaseName},
    values::Sha256Hex,
};

use super::{
    PolicyError, owner,
    table::{Gap, Metric, Table},
};

/// Checks a table against its text.
pub(super) struct Checker<'t> {
    text: &'t str,
}

type Checked = Result<(), PolicyError>;

impl<'t> Checker<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text }
    }

    fn wrong<T>(&self, span: Range<usize>, what: impl Into<String>) -> Result<T, PolicyError> {
        Err(PolicyError::at(self.text, span.start, what.into()))
    }

    /// The policy's name, if all of it means something.
    pub(super) fn check(&self, table: &Table) -> Result<PolicyName, PolicyError> {
        if *table.schema.get_ref() != 1 {
            return self.wrong(table.schema.span(), "this gate reads `schema = 1`");
        }
        let name: PolicyName = match table.name.get_ref().parse() {
            Ok(name) => name,
            Err(error) => return self.wrong(table.name.span(), error.to_string()),
        };
        self.applies(table, &name)?;
        self.lineage(table)?;
        self.evaluation(table)?;
        for metric in &table.metric {
            self.metric(metric.get_ref(), metric.span(), table)?;
        }
        for gap in &table.gap {
            self.gap(gap.get_ref(), gap.span())?;
        }
        self.approval(table)?;
        self.distinct(table)?;
        self.waivers(table)?;
        Ok(name)
    }

    fn applies(&self, table: &Table, name: &PolicyName) -> Checked {
        let applies = table.applies.get_ref();
        let path = applies.service.strip_suffix("/**").unwrap_or(&applies.service);
        let is_path = if path.len() == applies.service.len() {
            path.parse::<ServiceBaseName>().is_ok()
        } else {
            format!("{path}/x").parse::<ServiceBaseName>().is_ok()
        };
        if !is_path {
            let what = "`service` is `service/<owner>/<name>` without its place, or `service/<owner>/**`";
            return self.wrong(table.applies.span(), what);
        }
        let own = owner(name.as_str()).unwrap_or_default();
        let below = path.strip_prefix("service/").and_then(|rest| rest.strip_prefix(own));
        if !below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let what = format!("`{name}` speaks for services of its own owner, below `service/{own}/`");
            return self.wrong(table.applies.span(), what);
        }
        match &applies.environment {
            Some(environment) if environment.is_empty() || environment.matches('/').count() > 1 => {
                self.wrong(table.applies.span(), "`environment` is `<environment>` or `<cluster>/<environment>`")
            }
            _ => Ok(()),
        }
    }

    fn lineage(&self, table: &Table) -> Checked {
        let at = || table.applies.span();
        match &table.lineage {
            Some(lineage) if lineage.reach.is_empty() => self.wrong(
                at(),
                "`[lineage] reach` is empty, so it can never fail: write `reach = [\"dataset.snapshotted\"]`",
            ),
            Some(lineage) if lineage.refuse.as_ref().is_some_and(Vec::is_empty) => {
                self.wrong(at(), "`[lineage] refuse` is empty: write `[\"error\"]`, or leave it out for the same")
            }
            _ => Ok(()),
        }
    }

    fn evaluation(&self, table: &Table) -> Checked {
        let Some(spanned) = &table.evaluation else { return Ok(()) };
        let evaluation = spanned.get_ref();
        if evaluation.repeats == Some(0) {
            return self.wrong(spanned.span(), "`repeats = 0` can never fail: at least 1");
        }
        if evaluation.data.as_ref().is_some_and(Vec::is_empty) {
            return self.wrong(
                spanned.span(),
                "`data` is empty, so no evaluation can ever be on it: name some, or leave it out",
            );
        }
        if evaluation.from.as_ref().is_some_and(Vec::is_empty) {
            return self.wrong(spanned.span(), "`from` is empty, so no evaluation can ever count");
        }
        for data in evaluation.data.iter().flatten() {
            let is_digest = data.get_ref().split_once(':').is_some_and(|(algorithm, hex)| {
                matches!(algorithm, "sha256" | "dirHash") && hex.parse::<Sha256Hex>().is_ok()
            });
            let is_name = data.get_ref().parse::<lineal_schemas::vocabulary::names::DatasetName>().is_ok();
            if !is_digest && !is_name {
                let what = "data are `dataset/<owner>/<name>`, `sha256:<64 hex digits>` or `dirHash:<64 hex digits>`";
                return self.wrong(data.span(), what);
            }
        }
        Ok(())
    }

    fn metric(&self, metric: &Metric, at: Range<usize>, table: &Table) -> Checked {
        let name = &metric.name;
        if metric.min.is_none() && metric.max.is_none() && !metric.compares() {
            return self.wrong(
                at,
                format!("`{name}` has no condition, so it can never fail: give it `min`, `max` or `max_drop`"),
            );
        }
        if let (Some(min), Some(max)) = (&metric.min, &metric.max)
            && min.exact() > max.exact()
        {
            let what = format!("`{name}` can never pass: min {} is above max {}", min.as_str(), max.as_str());
            return self.wrong(at, what);
        }
        if let (Some(least), Some(most)) = (&metric.min_gain, &metric.max_gain)
            && least.exact() > most.exact()
        {
            let what =
                format!("`{name}` can never pass: min_gain {} is above max_gain {}", least.as_str(), most.as_str());
            return self.wrong(at, what);
        }
        let drops = [("max_drop", &metric.max_drop), ("max_drop_relative", &metric.max_drop_relative)];
        for (key, drop) in drops {
            if drop.as_ref().is_some_and(super::Number::is_negative) {
                return self.wrong(at, format!("`{name}`: a negative `{key}` asks for a gain: write `min_gain`"));
            }
        }
        if metric.compares() && metric.better.is_none() {
            return self
                .wrong(at, format!("`{name}` is compared with what runs: say `better = \"higher\"` or `\"lower\"`"));
        }
        if metric.compares() && table.incumbent.is_none() {
            let what = format!(
                "`{name}` is compared with what runs: say what becomes of the first deployment, \
                 `[incumbent]` with `absent = \"note\"` or `\"deny\"`"
            );
            return self.wrong(at, what);
        }
        Ok(())
    }

    fn gap(&self, gap: &Gap, at: Range<usize>) -> Checked {
        let slices: BTreeSet<_> = gap.between.iter().collect();
        if gap.between.len() < 2 {
            return self
                .wrong(at, format!("the gap of `{}` can never fail: it is between two slices or more", gap.name));
        }
        if slices.len() != gap.between.len() {
            return self.wrong(at, format!("the gap of `{}` names a slice twice", gap.name));
        }
        if gap.max.is_negative() {
            return self.wrong(at, format!("the gap of `{}` can never pass: `max` is below 0", gap.name));
        }
        Ok(())
    }

    fn approval(&self, table: &Table) -> Checked {
        let Some(spanned) = &table.approval else { return Ok(()) };
        let approval = spanned.get_ref();
        if approval.count == 0 {
            return self.wrong(spanned.span(), "`count = 0` can never fail: at least 1, or leave `[approval]` out");
        }
        if let Some(from) = &approval.from {
            let distinct: BTreeSet<_> = from.iter().collect();
            if distinct.len() < usize::try_from(approval.count).unwrap_or(usize::MAX) {
                let what = format!("{} approvals can never come from {} producers", approval.count, distinct.len());
                return self.wrong(spanned.span(), what);
            }
        }
        Ok(())
    }

    /// Two rules of one name would be one that nobody can tell from the other.
    fn distinct(&self, table: &Table) -> Checked {
        let mut known = BTreeSet::new();
        let metrics = table.metric.iter().map(|metric| (metric_rule(metric.get_ref()), metric.span()));
        let gaps = table.gap.iter().map(|gap| (gap_rule(gap.get_ref()), gap.span()));
        for (rule, at) in metrics.chain(gaps) {
            if !known.insert(rule.clone()) {
                return self.wrong(at, format!("`{rule}` stands twice: put its conditions into one"));
            }
        }
        Ok(())
    }

    fn waivers(&self, table: &Table) -> Checked {
        let Some(spanned) = &table.waivers else { return Ok(()) };
        let rules = rules(table);
        if spanned.get_ref().rules.is_empty() {
            return self.wrong(
                spanned.span(),
                "`rules` is empty: name the rules that may be waived, or leave `[waivers]` out",
            );
        }
        for rule in &spanned.get_ref().rules {
            if !rules.contains(rule.get_ref()) {
                let what = format!("`{}` is no rule of this policy: it has {}", rule.get_ref(), rules.join(", "));
                return self.wrong(rule.span(), what);
            }
        }
        Ok(())
    }
}

/// The name of a metric's rule: `metric/recall[country=BR]`.
pub(crate) fn metric_rule(metric: &Metric) -> String {
    if metric.slice.is_everything() {
        format!("metric/{}", metric.name)
    } else {
        format!("metric/{}[{}]", metric.name, metric.slice)
    }
}

/// The name of a gap's rule: `gap/fpr[sex=f|sex=m]`.
pub(crate) fn gap_rule(gap: &Gap) -> String {
    let slices: Vec<String> = gap.between.iter().map(ToString::to_string).collect();
    format!("gap/{}[{}]", gap.name, slices.join("|"))
}

/// The names of all rules, in the order in which they are judged.
pub(super) fn rules(table: &Table) -> Vec<String> {
    let evaluation = table.evaluation.as_ref().map(toml::Spanned::get_ref);
    let measures = evaluation.is_some() || !table.metric.is_empty() || !table.gap.is_empty();
    let asks = |asked: bool, rule: &str| asked.then(|| rule.to_owned());
    let mut rules = vec!["identity".to_owned(), "flags".to_owned()];
    rules.extend(asks(table.lineage.is_some(), "lineage"));
    rules.extend(asks(measures, "evaluation"));
    if let Some(evaluation) = evaluation {
        rules.extend(asks(evaluation.disjoint_from_training, "evaluation/disjoint"));
        rules.extend(asks(evaluation.independent_signer, "evaluation/independent-signer"));
        rules.extend(asks(evaluation.max_age.is_some(), "evaluation/max-age"));
        rules.extend(asks(evaluation.announced, "evaluation/announced"));
        rules.extend(asks(evaluation.registered_before, "evaluation/registered-before"));
    }
    rules.extend(table.metric.iter().map(|metric| metric_rule(metric.get_ref())));
    rules.extend(table.gap.iter().map(|gap| gap_rule(gap.get_ref())));
    rules.extend(asks(table.approval.is_some(), "approval"));
    rules
}
