//! Agents of clouds and of management that know their server, and that their server knows.

use block::Result;
use filesystem::FileKind;

use crate::{
    Check, Observation, Severity, System,
    services::{self, Service},
};

pub(super) const REGISTERED_AGENTS: Check = Check {
    id: "registered-agents",
    heading: "Registered agents",
    explain: "State by which an agent's server knows the machine: a clone with it acts as this machine, and may read \
              what is meant for it. Most of these files go by a rule of their own, which is named; an agent that is \
              started without one registers the clone, if it is configured to, which is told as a fact.",
    advice: "Unregister the machine where it was registered, and remove the state; let the first boot register the clone.",
    run: registered_agents,
};

/// An agent.
struct Agent {
    name: &'static str,
    /// Its units or scripts.
    units: &'static [&'static str],
    /// State that only a registered machine has: files with content, directories with files.
    state: &'static [&'static str],
    /// The same, in a file of configuration: path, and the key that has a value then.
    keys: &'static [(&'static str, &'static str)],
    /// The rule that takes the state.
    rule: Option<&'static str>,
}

const fn agent(
    name: &'static str,
    units: &'static [&'static str],
    state: &'static [&'static str],
    rule: Option<&'static str>,
) -> Agent {
    Agent { name, units, state, keys: &[], rule }
}

const AGENTS: &[Agent] = &[
    agent(
        "Amazon's SSM agent",
        &["amazon-ssm-agent", "snap.amazon-ssm-agent.amazon-ssm-agent"],
        &[
            "/var/lib/amazon/ssm/registration",
            "/var/lib/amazon/ssm/Vault/Store",
            "/var/lib/amazon/ssm/runtimeconfig",
            "/var/snap/amazon-ssm-agent/common/registration",
        ],
        Some("amazon-agents"),
    ),
    agent("Amazon's ECS agent", &["ecs"], &["/var/lib/ecs/data"], Some("amazon-agents")),
    agent(
        "AWS CodeDeploy",
        &["codedeploy-agent"],
        &["/etc/codedeploy-agent/conf/codedeploy.onpremises.yml"],
        None,
    ),
    agent(
        "Azure's agent",
        &["waagent", "walinuxagent"],
        &[
            "/var/lib/waagent/provisioned",
            "/var/lib/waagent/ovf-env.xml",
            "/var/lib/waagent/SharedConfig.xml",
        ],
        Some("azure-agent"),
    ),
    agent(
        "Azure Arc",
        &["himdsd"],
        &["/var/opt/azcmagent/agentconfig.json", "/var/opt/azcmagent/certs"],
        None,
    ),
    agent(
        "Google's guest agent",
        &["google-guest-agent", "google-guest-agent-manager"],
        &["/etc/instance_id", "/etc/google_instance_id"],
        Some("google-agent"),
    ),
    agent(
        "Ubuntu Pro",
        &["ubuntu-advantage", "ubuntu-pro"],
        &["/var/lib/ubuntu-advantage/private/machine-token.json"],
        Some("ubuntu-pro"),
    ),
    agent(
        "Landscape",
        &["landscape-client"],
        &["/var/lib/landscape/client/broker.bpickle"],
        Some("ubuntu-pro"),
    ),
    agent(
        "Red Hat's subscription manager",
        &["rhsmcertd"],
        &["/etc/pki/consumer/cert.pem", "/etc/pki/consumer/key.pem"],
        Some("subscription-manager"),
    ),
    agent(
        "Red Hat Insights",
        &["insights-client"],
        &["/etc/insights-client/.registered"],
        Some("subscription-manager"),
    ),
    agent("Spacewalk", &["rhnsd", "osad"], &["/etc/sysconfig/rhn/systemid"], Some("subscription-manager")),
    agent(
        "SUSE's customer center",
        &["guestregister"],
        &["/etc/zypp/credentials.d/SCCcredentials"],
        Some("subscription-manager"),
    ),
    agent(
        "Puppet's agent",
        &["puppet", "puppet-agent", "pxp-agent"],
        &[
            "/etc/puppetlabs/puppet/ssl/private_keys",
            "/var/lib/puppet/ssl/private_keys",
            "/etc/puppet/ssl/private_keys",
        ],
        Some("puppet"),
    ),
    agent("Salt's minion", &["salt-minion"], &["/etc/salt/pki/minion/minion.pem"], Some("salt")),
    agent(
        "Chef's client",
        &["chef-client", "cinc-client"],
        &["/etc/chef/client.pem", "/etc/cinc/client.pem", "/etc/chef/validation.pem"],
        Some("chef"),
    ),
    agent("Rudder's agent", &["rudder-agent"], &["/opt/rudder/etc/uuid.hive"], Some("security-agents")),
    agent("Tailscale", &["tailscaled"], &["/var/lib/tailscale/tailscaled.state"], Some("mesh-networks")),
    agent("NetBird", &["netbird"], &["/etc/netbird/config.json", "/var/lib/netbird"], Some("mesh-networks")),
    agent("ZeroTier", &["zerotier-one"], &["/var/lib/zerotier-one/identity.secret"], Some("mesh-networks")),
    agent(
        "Teleport",
        &["teleport"],
        &["/var/lib/teleport/host_uuid", "/var/lib/teleport/proc"],
        Some("mesh-networks"),
    ),
    agent("Nebula", &["nebula"], &["/etc/nebula/host.key"], Some("mesh-networks")),
    agent(
        "Cloudflare's tunnel",
        &["cloudflared"],
        &["/etc/cloudflared/cert.pem", "/etc/cloudflared/config.yml"],
        None,
    ),
    agent("CrowdStrike's sensor", &["falcon-sensor"], &["/opt/CrowdStrike/falconstore"], None),
    agent(
        "Wazuh's agent",
        &["wazuh-agent", "ossec", "ossec-hids"],
        &["/var/ossec/etc/client.keys"],
        Some("security-agents"),
    ),
    agent(
        "Elastic's agent",
        &["elastic-agent", "ElasticEndpoint"],
        &["/opt/Elastic/Agent/fleet.enc", "/opt/Elastic/Agent/fleet.yml"],
        Some("security-agents"),
    ),
    agent(
        "Microsoft Defender",
        &["mdatp"],
        &["/etc/opt/microsoft/mdatp/mdatp_onboard.json"],
        Some("security-agents"),
    ),
    agent("Qualys's agent", &["qualys-cloud-agent"], &["/etc/qualys/hostid"], Some("security-agents")),
    agent(
        "Tenable's agent",
        &["nessusagent"],
        &["/etc/tenable_tag", "/opt/nessus_agent/var/nessus/master.key"],
        None,
    ),
    agent(
        "Splunk's forwarder",
        &["splunkforwarder", "SplunkForwarder", "Splunkd"],
        &["/opt/splunkforwarder/etc/instance.cfg"],
        None,
    ),
    agent("Netdata", &["netdata"], &["/var/lib/netdata/cloud.d/claimed_id"], None),
    Agent {
        keys: &[("/etc/datadog-agent/datadog.yaml", "api_key")],
        ..agent(
            "Datadog's agent",
            &["datadog-agent"],
            &["/etc/datadog-agent/auth_token"],
            Some("security-agents"),
        )
    },
    Agent {
        keys: &[("/etc/newrelic-infra.yml", "license_key")],
        ..agent("New Relic's agent", &["newrelic-infra"], &[], Some("agent-api-keys"))
    },
    Agent {
        keys: &[("/etc/gitlab-runner/config.toml", "token")],
        ..agent("GitLab's runner", &["gitlab-runner"], &["/etc/gitlab-runner/.runner_system_id"], None)
    },
    Agent {
        keys: &[("/etc/buildkite-agent/buildkite-agent.cfg", "token")],
        ..agent("Buildkite's agent", &["buildkite-agent"], &[], None)
    },
    agent(
        "GitHub's runner",
        &[],
        &["/opt/actions-runner/.credentials", "/actions-runner/.credentials"],
        None,
    ),
    agent(
        "the kubelet",
        &["kubelet"],
        &["/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/pki"],
        Some("kubernetes-node"),
    ),
    agent(
        "K3s or RKE2",
        &["k3s", "k3s-agent", "rke2-server", "rke2-agent"],
        &["/etc/rancher/node/password"],
        Some("kubernetes-node"),
    ),
    agent(
        "FreeIPA's client",
        &[],
        &["/var/lib/ipa-client/sysrestore/sysrestore.index", "/etc/ipa/default.conf"],
        Some("ipa-client"),
    ),
    agent("a realm of Kerberos", &[], &["/etc/krb5.keytab"], Some("kerberos-keytab")),
];

fn registered_agents(system: &System<'_, '_>) -> Result<Vec<Observation>> {
    let enabled = services::enabled(system)?;
    let mut seen = Vec::new();
    for agent in AGENTS {
        let started = services::find(&enabled, agent.units);
        match state(system, agent)? {
            Some((path, line)) => seen.push(registered(system, agent, path, line, started)?),
            None => seen.extend(started.map(|service| {
                let what = format!("{} is started, with no registration of this machine", agent.name);
                Observation::new(Severity::Info, what).at(&service.path)
            })),
        }
    }
    Ok(seen)
}

fn registered(
    system: &System<'_, '_>,
    agent: &Agent,
    path: &str,
    line: Option<usize>,
    started: Option<&Service>,
) -> Result<Observation> {
    let rule = agent.rule.map(|rule| format!(" (rule {rule})")).unwrap_or_default();
    let name = agent.name;
    let what = match started {
        Some(_) => format!("{name} is started on every clone, with the registration of this machine{rule}"),
        None => format!("the registration of this machine with {name} is in the image{rule}"),
    };
    let observation = Observation::new(Severity::Warn, what);
    let observation = match system.resolve(path)? {
        Some(node) => observation.at(&node.path),
        None => observation,
    };
    Ok(match line {
        Some(line) => observation.line(line),
        None => observation,
    })
}

/// The first state that is there.
fn state(system: &System<'_, '_>, agent: &Agent) -> Result<Option<(&'static str, Option<usize>)>> {
    for &path in agent.state {
        let Some(node) = system.resolve(path)? else { continue };
        let there = match node.kind {
            FileKind::File => system.metadata(&node)?.size > 0,
            FileKind::Directory => {
                system.list(path.as_bytes())?.iter().any(|item| item.kind == FileKind::File)
            }
            _ => false,
        };
        if there {
            return Ok(Some((path, None)));
        }
    }
    for &(path, key) in agent.keys {
        let text = system.text(path)?.unwrap_or_default();
        let line = (1..).zip(text.lines()).find(|(_, line)| {
            let rest = line.trim().strip_prefix(key).map(str::trim_start);
            let value = rest
                .and_then(|rest| rest.strip_prefix([':', '=']))
                .map(|value| value.trim().trim_matches('"'));
            value.is_some_and(|value| !value.is_empty() && !value.starts_with(['#', '<', '$']))
        });
        if let Some((line, _)) = line {
            return Ok(Some((path, Some(line))));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::seen;

    #[test]
    fn rules_that_are_named_exist() {
        for rule in AGENTS.iter().filter_map(|agent| agent.rule) {
            assert!(scan::rules::all().any(|known| known.id == rule), "{rule}");
        }
    }

    #[test]
    fn registered_and_yet_to_register() {
        assert_eq!(
            seen(&REGISTERED_AGENTS, "/etc/salt/pki/minion/minion.pem =\n/var/lib/ecs/data/"),
            [""; 0]
        );
        let units = "/usr/lib/systemd/systemd\n/usr/lib/systemd/system/graphical.target.wants/salt-minion.service -> ../x\n\
                     /usr/lib/systemd/system/graphical.target = [Unit]\n/usr/lib/systemd/system/salt-minion.service = [Unit]";
        assert_eq!(
            seen(&REGISTERED_AGENTS, units),
            [
                "info /usr/lib/systemd/system/salt-minion.service Salt's minion is started, with no registration of this machine"
            ]
        );
        let tree = format!(
            "{units}\n/etc/salt/pki/minion/minion.pem\n/etc/chef/client.pem\n\
             /etc/datadog-agent/datadog.yaml = # api_key:\\napi_key: 0123\\n\n/etc/newrelic-infra.yml = license_key: \"\"\\n"
        );
        assert_eq!(
            seen(&REGISTERED_AGENTS, &tree),
            [
                "warn /etc/salt/pki/minion/minion.pem Salt's minion is started on every clone, with the registration of this machine (rule salt)",
                "warn /etc/chef/client.pem the registration of this machine with Chef's client is in the image (rule chef)",
                "warn /etc/datadog-agent/datadog.yaml:2 the registration of this machine with Datadog's agent is in the image (rule security-agents)",
            ]
        );
    }
}
