//! The mistakes that are known: each with a stable name, how much it matters, what is wrong and how to mend it.
//!
//! Promises that a name never changes its meaning. docs/DEPLOY.md lists the same names; a test compares the two, and
//! another one has a file for each.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// How much a mistake matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The gate lets through what it should stop, or is not asked.
    Error,
    /// It does so where something else goes wrong, too.
    Warning,
}

impl Severity {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! mistakes {
    ($($variant:ident $name:literal $severity:ident $meaning:literal $mend:literal;)*) => {
        /// A mistake. The text of each says why it leaves a gate open.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mistake {
            $(#[doc = $meaning] $variant,)*
        }

        impl Mistake {
            /// Every one, system by system.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// Why it leaves a gate open.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// How to mend it.
            pub const fn mend(self) -> &'static str {
                match self { $(Self::$variant => $mend,)* }
            }
        }
    };
}

mistakes! {
    AnalysisNoCondition "analysis-no-condition" Error "a metric without conditions is always Successful" "give `successCondition: result.ok == true`";
    AnalysisOpenCondition "analysis-open-condition" Error "with a failureCondition alone, whatever does not fit it is Successful" "give `successCondition: result.ok == true` instead";
    AnalysisLooseCondition "analysis-loose-condition" Error "a condition that asks for no `false`, or brings a default, takes a missing verdict for a yes" "ask for the yes itself: `result.ok == true`";
    AnalysisDryRun "analysis-dry-run" Error "a metric under `dryRun` decides nothing" "take it out of `dryRun`";
    AnalysisForgives "analysis-forgives" Error "with a failureLimit or an inconclusiveLimit other than 0, a denial is forgiven" "set it to 0, or leave it out";
    ArgoHookAfter "argo-hook-after" Error "a gate that runs after the sync, or only when it failed, stops nothing" "make it `argocd.argoproj.io/hook: PreSync`";
    ArgoOncePerRevision "argo-once-per-revision" Error "once a revision: going back to an earlier one, a rollback, sends nothing" "give `oncePer: app.status.operationState.finishedAt`";
    ArgoWebhookGet "argo-webhook-get" Warning "a webhook of notifications is a GET unless it says otherwise, and has no body then" "give `method: POST`";
    ArgoSkipDryRun "argo-skip-dry-run" Warning "without its dry run, a sync that will be denied is found out half way" "leave SkipDryRunOnMissingResource out for what the gate judges";
    FluxNotWaited "flux-not-waited" Error "a Kustomization that does not wait is ready as soon as the gate's Job is there, whatever becomes of it" "give it `wait: true`, or the Job under `healthChecks`";
    FluxAlertSeverity "flux-alert-severity" Warning "an alert of errors alone does not tell what went well, which is what was asked for" "give `eventSeverity: info`";
    FluxSuspended "flux-suspended" Error "what is suspended is not done" "take `suspend: true` out";
    GatekeeperSystemError "gatekeeper-system-error" Error "a template that does not look at `system_error` lets everything through while the provider is away" "admit only with `answer.system_error == \"\"`";
    GatekeeperErrors "gatekeeper-errors" Error "a template that does not look at `errors` lets through the key that has one" "admit only with `count(answer.errors) == 0`";
    GatekeeperMissing "gatekeeper-missing" Error "a template that goes through the responses lets through the key that has none" "go through the keys, and admit the one that has a response";
    GatekeeperTestsFalse "gatekeeper-tests-false" Error "a verdict that is missing, or of another form, is not `false`" "admit only with `== true`, and deny the rest";
    GatekeeperProviderTls "gatekeeper-provider-tls" Error "a provider that is not asked over TLS with a known authority can be anybody" "give an https `url` and a `caBundle`, without insecureTLSSkipVerify";
    GatekeeperNotDeny "gatekeeper-not-deny" Error "`dryrun` and `warn` let through what they report" "give `enforcementAction: deny`";
    GatekeeperOnPods "gatekeeper-on-pods" Warning "on pods, nodes cannot move what was admitted before while the ledger is away, until somebody opens the gate" "match workloads instead";
    WebhookIgnore "webhook-ignore" Error "`failurePolicy: Ignore` lets everything through while the ledger is away" "give `failurePolicy: Fail`";
    WebhookOnPods "webhook-on-pods" Error "on pods, nodes cannot move what was admitted before while the ledger is away, until somebody opens the gate" "name workloads instead, without wildcards; observation finds pods that were made by hand";
    WebhookOperations "webhook-operations" Error "a gate that is not asked about both CREATE and UPDATE has a way around it" "give `operations: [CREATE, UPDATE]`";
    WebhookTimeout "webhook-timeout" Warning "over 10 s, the API server's own requests time out first, and the webhook looks like the fault to remove" "give `timeoutSeconds: 5`";
    WebhookSideEffects "webhook-side-effects" Error "a decision is recorded, so that it has side effects, and dry runs have none" "give `sideEffects: NoneOnDryRun`";
    WebhookMatchPolicy "webhook-match-policy" Error "with `Exact`, the same object in another version of its API is not asked about" "give `matchPolicy: Equivalent`";
    WebhookSelectorLabels "webhook-selector-labels" Error "whoever may set the labels that select decides whether the gate is asked" "select by kubernetes.io/metadata.name, which nobody can set";
    WebhookOwnNamespace "webhook-own-namespace" Warning "without a namespaceSelector the ledger's own workload waits for the ledger" "leave its namespace and kube-system out, by kubernetes.io/metadata.name";
    JobRetries "job-retries" Warning "a Job that is tried again asks until it is let through once" "give `backoffLimit: 0` and `restartPolicy: Never`";
    JobImageByTag "job-image-by-tag" Warning "whoever can move the tag decides what the gate answers" "name the image by digest";
    ShellForgives "shell-forgives" Error "the exit status of the gate is thrown away" "let the command be the last of its step, or behind `set -e`, without `||` and `;`";
    ShellPipe "shell-pipe" Error "the exit status of a pipe is that of its last command" "write to a file, or begin with `set -o pipefail`";
    VerdictNotRead "verdict-not-read" Error "a decision is always HTTP 200: the status of a request says nothing about it" "use `lineal gate`, or `jq -e '.data.ok == true'`";
    VerdictWithoutTls "verdict-without-tls" Error "whoever is on the way between can answer" "ask over https, and check its certificate";
    CiContinues "ci-continues" Error "`continue-on-error` or `allow_failure` goes on after a denial" "take it out";
    CiDeploysAnyway "ci-deploys-anyway" Error "what runs always, or on failure, runs after a denial" "let it need the gate and nothing else";
}

impl Serialize for Mistake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Mistake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Self::ALL.iter().find(|rule| rule.name() == name);
        known.copied().ok_or_else(|| D::Error::custom(format!("no rule is called `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_every_rule_with_its_meaning() {
        let page = include_str!("../../../docs/DEPLOY.md");
        for rule in Mistake::ALL {
            let row = format!("| `{}` | {} |", rule.name(), rule.severity().as_str());
            let line = page.lines().find(|line| line.starts_with(&row));
            assert!(line.is_some_and(|line| line.contains(rule.meaning())), "{row} {} |", rule.meaning());
        }
    }

    #[test]
    fn names_are_distinct_and_in_kebab_case() {
        for (at, rule) in Mistake::ALL.iter().enumerate() {
            assert!(rule.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(Mistake::ALL[at + 1..].iter().all(|other| other.name() != rule.name()));
        }
    }
}
