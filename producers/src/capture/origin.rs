//! The tool that started us, and which of its runs this is: attempts that were never sent show as missing numbers.

use lineal_schemas::vocabulary::{
    names::Name,
    values::{Count, Uri},
};

use crate::object::Object;

/// Reads an environment variable; the program reads its environment once, in `main`.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A tool, by the variable that is set in all of its runs.
struct Tool {
    kind: &'static str,
    mark: &'static str,
    workflow: &'static str,
    run_number: &'static str,
    attempt: &'static str,
    url: fn(Lookup<'_>) -> Option<String>,
}

const TOOLS: [Tool; 6] = [
    Tool {
        kind: "github-actions",
        mark: "GITHUB_ACTIONS",
        workflow: "GITHUB_WORKFLOW",
        run_number: "GITHUB_RUN_NUMBER",
        attempt: "GITHUB_RUN_ATTEMPT",
        url: |get| {
            let (server, repository) = (get("GITHUB_SERVER_URL")?, get("GITHUB_REPOSITORY")?);
            Some(format!("{server}/{repository}/actions/runs/{}", get("GITHUB_RUN_ID")?))
        },
    },
    Tool {
        kind: "gitlab",
        mark: "GITLAB_CI",
        workflow: "CI_JOB_NAME",
        run_number: "CI_PIPELINE_IID",
        attempt: "",
        url: |get| get("CI_JOB_URL"),
    },
    Tool {
        kind: "jenkins",
        mark: "JENKINS_URL",
        workflow: "JOB_NAME",
        run_number: "BUILD_NUMBER",
        attempt: "",
        url: |get| get("BUILD_URL"),
    },
    Tool {
        kind: "buildkite",
        mark: "BUILDKITE",
        workflow: "BUILDKITE_PIPELINE_SLUG",
        run_number: "BUILDKITE_BUILD_NUMBER",
        attempt: "",
        url: |get| get("BUILDKITE_BUILD_URL"),
    },
    Tool {
        kind: "airflow",
        mark: "AIRFLOW_CTX_DAG_ID",
        workflow: "AIRFLOW_CTX_DAG_ID",
        run_number: "",
        attempt: "AIRFLOW_CTX_TRY_NUMBER",
        url: |_get| None,
    },
    Tool {
        kind: "kubeflow",
        mark: "KFP_RUN_ID",
        workflow: "KFP_PIPELINE_NAME",
        run_number: "",
        attempt: "",
        url: |_get| None,
    },
];

/// The `origin` of an event: the CI system or scheduler that we run in, else `cli`.
pub fn origin(get: Lookup<'_>) -> Object {
    let Some(tool) = TOOLS.iter().find(|tool| get(tool.mark).is_some_and(|mark| !mark.is_empty())) else {
        return Object::new().with("kind", "cli");
    };
    let count = |name: &str| get(name).and_then(|text| serde_json::from_str::<Count>(&text).ok());
    Object::new()
        .with("kind", tool.kind)
        .with_some("workflow", get(tool.workflow).and_then(|text| text.parse::<Name>().ok()))
        .with_some("runNumber", count(tool.run_number))
        .with_some("attempt", count(tool.attempt))
        .with_some("url", (tool.url)(get).and_then(|text| text.parse::<Uri>().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_ci_system_is_named_by_its_numbers() {
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_WORKFLOW", "train"),
            ("GITHUB_RUN_NUMBER", "12"),
            ("GITHUB_RUN_ATTEMPT", "x"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_RUN_ID", "77"),
        ];
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(
            origin(&get).to_json(),
            r#"{"kind":"github-actions","workflow":"train","runNumber":12,"url":"https://github.com/o/r/actions/runs/77"}"#
        );
        assert_eq!(origin(&|_| None).to_json(), r#"{"kind":"cli"}"#);
    }
}
