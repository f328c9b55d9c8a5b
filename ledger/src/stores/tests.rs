//! The requests that addresses and settings come to.

use super::*;

/// A clock that stands.
#[derive(Debug)]
struct Standing(&'static str);

impl Clock for Standing {
    fn wall(&self) -> lineal_schemas::timestamp::Timestamp {
        lineal_schemas::timestamp::Timestamp::from_rfc3339(self.0).unwrap()
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

fn stores(variables: &[(&str, &str)]) -> Stores {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Stores::new(variables, Box::new(Standing("2013-05-24T00:00:00Z")))
}

/// The example of a presigned URL that Amazon publishes ("Authenticating Requests: Using Query Parameters"), so the crate
/// that signs is held to it: it is for a day and for an endpoint without a region, which is what our requests never are.
#[test]
fn the_published_example_is_signed_as_published() {
    let endpoint = "https://s3.amazonaws.com".parse().unwrap();
    let bucket = Bucket::new(endpoint, UrlStyle::VirtualHost, "examplebucket", "us-east-1").unwrap();
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let now = Timestamp::from_second(1_369_353_600).unwrap();
    let url = GetObject::new(&bucket, Some(&credentials), "test.txt").sign_with_time(Duration::from_hours(24), &now);
    assert_eq!(
        url.as_str(),
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=\
         AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
         X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}

#[test]
fn settings_say_where_an_object_is_asked_for() {
    let url = |place: &str, variables: &[(&str, &str)]| stores(variables).request(place).unwrap().url;
    for (place, variables, expected) in [
        ("s3://models/a/42", &[][..], "https://models.s3.us-east-1.amazonaws.com/a/42"),
        ("s3://models/42", &[("AWS_DEFAULT_REGION", "eu-1")], "https://models.s3.eu-1.amazonaws.com/42"),
        (
            "s3://models/42",
            &[("AWS_REGION", "cn-north-1"), ("AWS_DEFAULT_REGION", "no")],
            "https://models.s3.cn-north-1.amazonaws.com.cn/42",
        ),
        ("s3://a.model/42", &[("AWS_REGION", "eu-1")], "https://s3.eu-1.amazonaws.com/a.model/42"),
        ("s3://models/a//b%20c%2B", &[("AWS_ENDPOINT_URL", "http://r:9000")], "http://r:9000/models/a//b%20c%2B"),
        (
            "s3://models/42?versionId=a%2Fb",
            &[("AWS_ENDPOINT_URL_S3", "http://r/s3/"), ("AWS_ENDPOINT_URL", "http://no")],
            "http://r/s3/models/42?versionId=a%2Fb",
        ),
        ("gs://models/a/42", &[], "https://storage.googleapis.com/models/a/42"),
        ("gs://models/42#17", &[("STORAGE_EMULATOR_HOST", "r:4443")], "http://r:4443/models/42?generation=17"),
    ] {
        assert_eq!(url(place, variables), expected, "{place} {variables:?}");
    }
    let evil = stores(&[("AWS_REGION", "x.example/")]).request("s3://models/42");
    assert!(matches!(evil, Err(StoreError::Settings(_))));
}

#[test]
fn what_names_no_single_object_is_refused() {
    for place in [
        "s3://models",
        "s3:///42",
        "s3://models/",
        "s3://models/42/",
        "s3://models/../other/42",
        "s3://models/%2e%2e/42",
        "s3://../42",
        "s3://mod%2Fels/42",
        "s3://user@host/42",
        "s3://host:80/42",
        "s3://models/4%2",
        "s3://models/%ff",
        "s3://models/42?versionId=1&acl",
        "s3://models/42?acl",
        "s3://models/42#part",
        "gs://models/42?alt=media",
    ] {
        assert!(matches!(stores(&[]).request(place), Err(StoreError::Address { .. })), "{place}");
    }
}

#[test]
fn a_token_is_shown_to_the_store_alone_and_a_secret_to_nobody() {
    let tokens = [("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.secret"), ("CLOUDSDK_AUTH_ACCESS_TOKEN", "no")];
    let shown = |variables: &[(&str, &str)]| {
        let request = stores(variables).request("gs://models/42").unwrap();
        (request.headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned()), request.anonymous)
    };
    assert_eq!(shown(&tokens), (Some("Bearer ya29.secret".to_owned()), None));
    let emulated = shown(&[tokens[0], ("STORAGE_EMULATOR_HOST", "127.0.0.1:1")]);
    assert!(emulated.0.is_none() && emulated.1.is_some());
    assert!(!format!("{:?}", stores(&tokens)).contains("secret"));
}

#[test]
fn a_profile_without_keys_is_not_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(
        path("credentials"),
        "[default]\ncredential_process = x\n[ml]\naws_access_key_id=K\n\
         aws_secret_access_key=S\naws_session_token=T\n",
    )
    .unwrap();
    std::fs::write(path("config"), "[profile ml]\nregion = eu-1\nendpoint_url = http://r:9000\n").unwrap();
    let (credentials, config) = (path("credentials"), path("config"));
    let files = [("AWS_SHARED_CREDENTIALS_FILE", &*credentials), ("AWS_CONFIG_FILE", &*config)];
    let request = |more: &[(&str, &str)]| stores(&[&files[..], more].concat()).request("s3://models/42");
    let url = request(&[("AWS_PROFILE", "ml")]).unwrap().url;
    assert!(
        url.starts_with("http://r:9000/models/42?") && url.contains("X-Amz-Credential=K%2F20130524%2Feu-1%2Fs3%2F")
    );
    assert!(url.contains("&X-Amz-Expires=900&X-Amz-Security-Token=T&"), "{url}");
    // What the environment says counts first, and whole: the token belongs to the other key.
    let url =
        request(&[("AWS_PROFILE", "ml"), ("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "F")]).unwrap().url;
    assert!(url.contains("X-Amz-Credential=E%2F") && !url.contains("Security-Token"), "{url}");
    for more in [&[][..], &[("AWS_PROFILE", "gone")]] {
        let refused = request(more).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("has no keys in its file: `aws configure export-credentials"), "{refused}");
    }
}

#[test]
fn a_home_leads_to_the_shared_files_and_without_one_there_are_none() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let keys = "[default]\naws_access_key_id = K\naws_secret_access_key = S\n";
    std::fs::write(home.path().join(".aws/credentials"), keys).unwrap();
    let home = home.path().display().to_string();
    let request = |variables: &[(&str, &str)]| stores(variables).request("s3://models/42").unwrap();
    let signed = request(&[("HOME", &home)]);
    assert!(signed.url.contains("X-Amz-Credential=K%2F") && signed.anonymous.is_none(), "{}", signed.url);
    assert!(request(&[]).anonymous.is_some());
}
