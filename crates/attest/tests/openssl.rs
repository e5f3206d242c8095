//! OpenSSL is the witness: it makes the keys, verifies what we sign, and signs what we verify.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::{fs, path::Path, process::Command};

use attest::{
    Envelope, EnvelopeError, KeyError, PAYLOAD_TYPE, Predicate, PrivateKey, PublicKey, Resource, Statement,
    Verifier, pae,
};

fn run(directory: &Path, tool: &str, arguments: &str) -> (bool, Vec<u8>) {
    let output = Command::new(tool)
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("{tool} cannot be run ({error}): install openssl"));
    (output.status.success(), output.stdout)
}

fn openssl(directory: &Path, arguments: &str) -> Vec<u8> {
    let (success, output) = run(directory, "openssl", arguments);
    assert!(success, "openssl {arguments}");
    output
}

/// `openssl genpkey` of each kind, and how it signs and verifies the file `message` with `signature`.
const KINDS: [(&str, &str, &str); 2] = [
    (
        "-algorithm ed25519",
        "pkeyutl -sign -rawin -inkey key.pem -in message -out signature",
        "pkeyutl -verify -rawin -pubin -inkey pub.pem -in message -sigfile signature",
    ),
    (
        "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "dgst -sha256 -sign key.pem -out signature message",
        "dgst -sha256 -verify pub.pem -signature signature message",
    ),
];

fn statement() -> Statement {
    let predicate = Predicate {
        verifier: Verifier {
            id: "https://example.com/verifier/1".to_owned(),
            policies: vec![Resource::new("default", "blake3", "00")],
        },
        time_created: "1970-01-01T00:00:00Z".to_owned(),
        properties: vec!["EXAMPLE_SOUND".to_owned()],
        diskscrub_input: None,
        diskscrub_reports: Vec::new(),
    };
    Statement::new(vec![Resource::new("disk.raw", "sha256", &attest::sha256(b"disk"))], predicate)
}

/// The standard encoding, which every base64 reader takes.
fn decoded(directory: &Path, base64: &str) -> Vec<u8> {
    fs::write(directory.join("base64"), base64).unwrap();
    openssl(directory, "base64 -d -A -in base64")
}

#[test]
fn openssl_verifies_what_we_sign_and_the_reverse() {
    for (generate, sign, verify) in KINDS {
        let directory = tempfile::tempdir().unwrap();
        let (at, path) = (directory.path(), |name: &str| directory.path().join(name));
        openssl(at, &format!("genpkey {generate} -out key.pem"));
        openssl(at, "pkey -in key.pem -pubout -out pub.pem");
        let private = PrivateKey::from_pem(fs::read(path("key.pem")).unwrap()).unwrap();
        let public = PublicKey::from_pem(&fs::read(path("pub.pem")).unwrap()).unwrap();
        assert_eq!(private.public().id(), public.id());
        let spki = openssl(at, "pkey -pubin -in pub.pem -outform DER");
        assert_eq!(public.id(), attest::sha256(&spki));
        assert_eq!(format!("{private:?}"), "PrivateKey");

        let payload = statement().to_json();
        let envelope = Envelope::sign(&payload, &private);
        assert_eq!(envelope, Envelope::sign(&payload, &private), "{generate}: not deterministic");
        assert_eq!(Envelope::parse(&envelope.to_line()).unwrap(), envelope);
        assert_eq!(envelope.open(&public).unwrap(), payload);
        assert_eq!(Statement::parse(&payload).unwrap(), statement());
        assert_eq!(envelope.signatures[0].keyid, public.id());

        // What a stranger does: decode both parts, put the message together, and ask OpenSSL.
        let message = pae(PAYLOAD_TYPE, &decoded(at, &envelope.payload));
        fs::write(path("message"), &message).unwrap();
        fs::write(path("signature"), decoded(at, &envelope.signatures[0].sig)).unwrap();
        openssl(at, verify);
        fs::write(path("message"), [&message[..message.len() - 1], b" "].concat()).unwrap();
        assert!(!run(at, "openssl", verify).0, "{generate}: OpenSSL takes anything");

        fs::write(path("message"), &message).unwrap();
        openssl(at, sign);
        assert!(public.verifies(&message, &fs::read(path("signature")).unwrap()), "{generate}");
    }
}

#[test]
fn an_envelope_that_was_changed_is_refused() {
    for (generate, ..) in KINDS {
        let directory = tempfile::tempdir().unwrap();
        openssl(directory.path(), &format!("genpkey {generate} -out key.pem"));
        openssl(directory.path(), &format!("genpkey {generate} -out other.pem"));
        let key = |name| PrivateKey::from_pem(fs::read(directory.path().join(name)).unwrap()).unwrap();
        let (private, other) = (key("key.pem"), key("other.pem").public());
        let public = private.public();
        let good = Envelope::sign(&statement().to_json(), &private);
        let refused = |change: &dyn Fn(&mut Envelope)| {
            let mut envelope = good.clone();
            change(&mut envelope);
            envelope.open(&public).unwrap_err()
        };
        let signature = EnvelopeError::Signature(public.id());
        // Any byte of the payload, and of the signature.
        for at in 0..good.payload.len() - 4 {
            let swap = |text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                String::from_utf8(bytes).unwrap()
            };
            assert_eq!(refused(&|envelope| envelope.payload = swap(&envelope.payload)), signature);
            if at < good.signatures[0].sig.len() - 4 {
                let error =
                    refused(&|envelope| envelope.signatures[0].sig = swap(&envelope.signatures[0].sig));
                assert_eq!(error, signature);
            }
        }
        assert_eq!(refused(&|envelope| envelope.signatures.clear()), signature);
        let of_type = refused(&|envelope| envelope.payload_type = "text/plain".to_owned());
        assert_eq!(of_type, EnvelopeError::Type("text/plain".to_owned()));
        assert_eq!(good.open(&other).unwrap_err(), EnvelopeError::Signature(other.id()));
        // A key ID is a hint, and a second signature does no harm.
        let mut more = good.clone();
        more.signatures.insert(0, Envelope::sign(b"other", &private).signatures[0].clone());
        more.signatures[1].keyid = String::new();
        assert!(more.open(&public).is_ok());
    }
}

#[test]
fn each_bad_key_has_its_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    openssl(at, "genpkey -algorithm ed25519 -out good.pem");
    openssl(at, "pkey -in good.pem -pubout -out public.pem");
    openssl(at, "genpkey -algorithm ed25519 -aes256 -pass pass:fake -out encrypted.pem");
    openssl(at, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem");
    openssl(at, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem");
    openssl(at, "ecparam -name prime256v1 -genkey -out sec1.pem");
    fs::write(at.join("noise"), [0xff; 100]).unwrap();
    fs::write(at.join("empty"), "").unwrap();
    let whole = fs::read_to_string(at.join("good.pem")).unwrap();
    fs::write(at.join("short"), whole.replacen("MC4", "", 1)).unwrap();
    for (name, error) in [
        ("public.pem", KeyError::Public),
        ("encrypted.pem", KeyError::Encrypted),
        ("p384.pem", KeyError::Unsupported),
        ("rsa.pem", KeyError::Unsupported),
        ("sec1.pem", KeyError::NotPkcs8),
        ("noise", KeyError::NotPem),
        ("empty", KeyError::NotPem),
        ("short", KeyError::Unsupported),
    ] {
        let found = PrivateKey::from_pem(fs::read(at.join(name)).unwrap()).unwrap_err();
        assert_eq!(found, error, "{name}");
    }
    assert_eq!(PublicKey::from_pem(whole.as_bytes()).unwrap_err(), KeyError::Private);
}
