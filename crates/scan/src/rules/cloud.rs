//! State of cloud-init, of providers' agents and of management agents: each registers a clone anew.

use crate::{Action, Find, Kinds, Needs, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "cloud-init",
        heading: "State of cloud-init",
        explain: "What cloud-init noted of the builder's instances, user data with its secrets among \
                  it. Without it, cloud-init takes the clone for a new instance and makes host keys, \
                  users and network anew; with it, it may do nothing. The seed of a NoCloud source \
                  goes by a rule of its own.",
        sources: &[
            Source::CloudInit,
            Source::ImageBuilder,
            Source::Kubernetes,
            Source::Outscale("O13"),
            Source::Outscale("O8"),
        ],
        find: Find {
            paths: &["/var/lib/cloud/*", "/run/cloud-init"],
            except: &["/var/lib/cloud/seed"],
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "cloud-init-seed",
        heading: "Seeds of cloud-init",
        explain: "User data that was put into the image: the builder's, with its passwords and keys. \
                  cloud-init asks the provider instead. An image whose seed is meant to configure every \
                  clone needs --skip cloud-init-seed; `cloud-init clean` removes it with --seed only.",
        sources: &[Source::CloudInit, Source::Outscale("O23")],
        find: Find::paths(&["/var/lib/cloud/seed/*"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "cloud-init-installer",
        heading: "Installers' configuration of cloud-init",
        explain: "Ubuntu's installer leaves the password hash of the first user in 99-installer.cfg, \
                  and pins cloud-init to no data source; without it, cloud-init asks the provider \
                  again.",
        sources: &[Source::Kubernetes, Source::Outscale("O9")],
        find: Find::files(&["/etc/cloud/cloud.cfg.d/{99-installer,99_installer}.cfg"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "cloud-init-network",
        heading: "Network that cloud-init configured",
        explain: "Addresses and hardware addresses of the builder. cloud-init writes them again for a \
                  new instance. Where it is not installed, is off, or is told to leave the network alone \
                  (`network: {config: disabled}`), nobody does: then they stay, and `hardware-addresses` takes \
                  what ties them to a card. Off by default; the aws and outscale policies have it.",
        sources: &[Source::CloudInit, Source::Kubernetes],
        find: Find {
            needs: Some(Needs::CloudInitNetwork),
            ..Find::files(&[
                "/etc/netplan/50-cloud-init.yaml",
                "/etc/network/interfaces.d/50-cloud-init*",
                "/etc/systemd/network/10-cloud-init-*",
                "/etc/NetworkManager/system-connections/cloud-init-*",
                "/etc/NetworkManager/conf.d/{99-cloud-init,30-cloud-init-ip6-addr-gen-mode}.conf",
                "/etc/sysconfig/network-scripts/ifcfg-eth*.cloud-init",
                "/etc/cloud/cloud.cfg.d/90-installer-network.cfg",
            ])
        },
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "amazon-agents",
        heading: "State of Amazon's agents",
        explain: "Registration keys, instance ids and inventories of SSM, ECS and Image Builder. The \
                  agents register the clone.",
        sources: &[Source::ImageBuilder, Source::Own, Source::Outscale("O4")],
        find: Find {
            paths: &[
                "/var/lib/amazon/**",
                "/var/snap/amazon-ssm-agent/**",
                "/var/lib/ecs/data/**",
                "/var/lib/awslogs/**",
                "/var/awslogs/state/*",
            ],
            except: &["/var/snap/amazon-ssm-agent/current"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "azure-agent",
        heading: "State of Azure's agent",
        explain: "Certificates, provisioning state and extensions of waagent. The agent provisions the \
                  clone.",
        sources: &[Source::Waagent],
        find: Find::files(&[
            "/var/lib/waagent/**",
            "/var/lib/azsec/**",
            "/var/opt/microsoft/omsagent/**/{certs,state}/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "google-agent",
        heading: "State of Google's guest agent",
        explain: "Instance id and what the agent noted of accounts; it makes host keys anew when the \
                  id is another. /etc/boto.cfg goes with the AWS rule.",
        sources: &[Source::Own],
        find: Find::files(&["/var/lib/google/**", "/etc/google_instance_id", "/etc/instance_id"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "puppet",
        heading: "Identity with Puppet",
        explain: "The agent's key, certificates and state. It asks for a new certificate.",
        sources: &[Source::Sysprep("puppet-data-log")],
        find: Find {
            paths: &[
                "/var/lib/puppet/**",
                "/etc/puppet/ssl/**",
                "/etc/puppetlabs/puppet/ssl/**",
                "/opt/puppetlabs/puppet/cache/**",
                "/var/cache/puppet/**",
            ],
            except: &["/opt/puppetlabs/puppet/cache/locales"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "salt",
        heading: "Identity with Salt",
        explain: "The minion's keys, id and caches. It asks to be accepted again.",
        sources: &[Source::Own],
        find: Find::files(&["/etc/salt/pki/minion/**", "/etc/salt/minion_id", "/var/cache/salt/**"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "chef",
        heading: "Identity with Chef",
        explain: "The client's and the validator's keys, and caches. The clone registers again.",
        sources: &[Source::Own],
        find: Find::files(&[
            "/etc/{chef,cinc}/*.pem",
            "/etc/{chef,cinc}/{encrypted_data_bag_secret,first-boot.json,accepted_licenses/*}",
            "/var/{chef,cinc}/{cache,backup,nodes}/**",
            "/var/lib/chef/**",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "mesh-networks",
        heading: "Identity in mesh networks",
        explain: "Node keys of Tailscale, NetBird, ZeroTier, Nebula and Teleport: two clones with one \
                  key are one node. Each makes a new key; the clone has to be let in again.",
        sources: &[Source::Outscale("O5"), Source::Own],
        find: Find::files(&[
            "/var/lib/tailscale/**",
            "/etc/netbird/*.json",
            "/var/lib/netbird/**",
            "/var/lib/zerotier-one/{identity.secret,identity.public,authtoken.secret,peers.d/**,networks.d/**}",
            "/var/lib/teleport/**",
            "/etc/nebula/*.key",
            "/var/lib/cloudflared/**",
            "~/.cloudflared/*",
            "~/.ngrok2/*",
            "~/.config/ngrok/*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "security-agents",
        heading: "Identity with security and monitoring agents",
        explain: "Ids and keys by which agents are known to their servers: Wazuh, Qualys, Rudder, \
                  osquery, Elastic, Datadog, New Relic. They enrol again; configured API keys stay.",
        sources: &[Source::Own],
        find: Find::files(&[
            "/var/ossec/etc/client.keys",
            "/etc/qualys/hostid",
            "/opt/rudder/etc/uuid.hive",
            "/var/osquery/osquery.db/**",
            "/opt/Elastic/Agent/fleet.{enc,yml}*",
            "/var/lib/elastic-agent/fleet.*",
            "/etc/datadog-agent/auth_token",
            "/var/db/newrelic-infra/**/agent-id*",
            "/var/lib/collectd/uuid",
            "/var/lib/wdavdaemon/*onboard*",
            "/etc/opt/microsoft/mdatp/mdatp_onboard.json",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "agent-api-keys",
        heading: "API keys of monitoring agents",
        explain: "Configuration files of Datadog and New Relic with the account's key. Off by default: \
                  the agent does not report without.",
        sources: &[Source::Outscale("O4"), Source::Attackers],
        find: Find::files(&[
            "/etc/datadog-agent/datadog.yaml",
            "/etc/newrelic-infra.yml",
            "/etc/newrelic/newrelic*.cfg",
        ]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "orchestration-data",
        heading: "Data of Consul, Nomad and Vault",
        explain: "Node ids, gossip and raft data. Off by default: it is a server's data.",
        sources: &[Source::Own],
        find: Find::files(&["/opt/{consul,nomad,vault}/data/**", "/var/lib/{consul,nomad,vault}/**"]),
        action: Action::Remove,
        default: false,
    },
];
