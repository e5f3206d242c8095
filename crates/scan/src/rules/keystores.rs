//! Files that hold keys, known by their names. Off by default where a service of the image needs them.

use crate::{Action, Detector, Find, Kinds, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "gnupg",
        heading: "GnuPG's secret keys",
        explain: "Secret keys, revocation certificates, trust and agents' state in every home. Public key rings \
                  go with them; apt's and rpm's keys lie elsewhere and stay. GnuPG starts afresh.",
        sources: &[Source::Outscale("O5"), Source::Attackers],
        find: Find::paths(&["~/.gnupg", "~/.gnupg2"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "password-stores",
        heading: "Password managers and keyrings",
        explain: "pass, KeePass, GNOME keyrings, KWallet, age and sops keys. Users start afresh.",
        sources: &[Source::Outscale("O4"), Source::Outscale("O5"), Source::Attackers],
        find: Find::paths(&[
            "~/.password-store",
            "~/**/*.{kdbx,kdb}",
            "~/.local/share/keyrings",
            "~/.gnome2/keyrings",
            "~/.local/share/kwalletd",
            "~/.kde/share/apps/kwallet",
            "~/.config/{age,sops}",
            "~/.config/keepassxc",
            "~/.config/Bitwarden*",
            "~/.config/1Password",
            "~/.config/op",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "keystores",
        heading: "PKCS#12 and Java key stores in homes",
        explain: "*.p12, *.pfx, *.jks, *.keystore, *.psk, *.p8 and exported OpenPGP keys. Off by default: an \
                  application under a service's home may need its store; the aws and outscale policies have it.",
        sources: &[Source::Aws("A9"), Source::Aws("A14"), Source::Outscale("O5"), Source::Attackers],
        find: Find::files(&["~/**/*.{p12,pfx,jks,keystore,bks,psk,p8}", "~/**/*{secret,private}*.{asc,gpg}"]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "tls-private-keys",
        heading: "Private keys of TLS servers",
        explain: "Files below /etc/ssl/private, /etc/pki/tls/private and /etc/pki/CA/private that hold a private \
                  key; certificates stay. Off by default: a web or mail server does not start without its key. \
                  That includes Debian's self-made ssl-cert-snakeoil.key, which is the same on every clone: \
                  `make-ssl-cert generate-default-snakeoil` makes another, and nothing does so by itself.",
        sources: &[Source::Outscale("O5"), Source::Sysprep("ca-certificates"), Source::Attackers],
        find: Find {
            paths: &[
                "/etc/ssl/private/**",
                "/etc/pki/tls/private/**",
                "/etc/pki/CA/private/**",
                "/etc/pki/nginx/private/**",
                "/etc/{nginx,apache2,httpd,postfix,dovecot,haproxy,exim4}/**/*.{key,pem}",
                "/etc/cockpit/ws-certs.d/*",
                "/opt/**/*.key",
                "/srv/**/*.{key,pem}",
            ],
            kinds: Kinds::Files,
            detector: Some(Detector::PrivateKey),
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "letsencrypt",
        heading: "ACME accounts, keys and certificates",
        explain: "certbot's and acme.sh's accounts and keys. Off by default: servers that use them do not start \
                  until new ones are issued.",
        sources: &[Source::Outscale("O5"), Source::Own],
        find: Find::paths(&[
            "/etc/letsencrypt/{accounts,archive,keys,live,csr,renewal}/*",
            "/var/lib/acme/*",
            "/var/lib/caddy/.local/share/caddy/*",
            "~/.acme.sh",
            "~/.lego",
        ]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "vpn-keys",
        heading: "Keys of VPNs",
        explain: "WireGuard, OpenVPN, IPsec and PPP secrets. Off by default: an appliance may ship its VPN; two \
                  clones with one key fight over one tunnel.",
        sources: &[Source::Outscale("O5"), Source::Attackers],
        find: Find::files(&[
            "/etc/wireguard/*",
            "/etc/openvpn/**/*.{key,p12,pem,ovpn,auth,pass,secret}",
            "/etc/ipsec.secrets",
            "/etc/ipsec.d/private/**",
            "/etc/ipsec.d/*.secrets",
            "/etc/ipsec.d/{key,cert}*.db",
            "/etc/swanctl/{private,rsa,ecdsa,pkcs8,pkcs12}/**",
            "/etc/strongswan/**/private/**",
            "/etc/strongswan/ipsec.secrets",
            "/etc/ppp/*-secrets",
            "/etc/racoon/psk.txt",
            "/etc/tinc/**/*.priv",
        ]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "ca-certificates",
        heading: "Certificates of a certificate authority",
        explain: "What an authority on this machine issued, and certificates beside TLS keys on Red Hat. Off by \
                  default: virt-sysprep has it off, too, and the trust store is rebuilt only by \
                  update-ca-trust in the guest. The system's trust anchors stay.",
        sources: &[Source::Sysprep("ca-certificates")],
        find: Find::files(&[
            "/etc/pki/CA/{certs,crl,newcerts}/*",
            "/etc/pki/CA/{index.txt,serial,crlnumber}*",
            "/etc/pki/tls/certs/*.crt",
        ]),
        action: Action::Remove,
        default: false,
    },
];
