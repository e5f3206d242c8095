#!/bin/sh
# A Slurm cluster of several nodes on one machine, for tests: every daemon listens on 127.0.0.1 only, and keeps all that it
# has below one directory. Needs root, and Debian's slurmctld, slurmd, slurm-client and munge; no systemd.
#
#   cluster.sh up DIR PORT NODES     starts it on the ports from PORT on (one more than nodes); SLURM_CONF is DIR/slurm.conf
#   cluster.sh down DIR              ends the daemons that it started
set -eu

up() {
    dir=$1 port=$2 nodes=$3
    mkdir -p "$dir/state" "$dir/log" "$dir/munge"
    # Its own key and socket: a munge of the machine, if there is one, is not asked.
    chmod 755 "$dir" "$dir/munge"
    dd if=/dev/urandom of="$dir/munge/key" bs=128 count=1 status=none
    chmod 600 "$dir/munge/key"
    munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
        --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
    cat > "$dir/slurm.conf" <<CONF
ClusterName=shelf
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/%n.pid
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/%n
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
ReturnToService=2
SlurmdTimeout=5
KillWait=5
NodeName=n[1-$nodes] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] CPUs=1 RealMemory=2000
PartitionName=all Nodes=n[1-$nodes] Default=YES MaxTime=10 State=UP
CONF
    export SLURM_CONF="$dir/slurm.conf"
    slurmctld -c -i -f "$SLURM_CONF"
    for node in $(seq 1 "$nodes"); do
        mkdir -p "$dir/spool.n$node"
        slurmd -N "n$node" -f "$SLURM_CONF"
    done
    # At most half a minute; it takes about one second.
    for _ in $(seq 1 60); do
        [ "$(sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | wc -l)" -lt "$nodes" ] || return 0
        sleep 0.5
    done
    echo "the nodes do not come up:" >&2
    tail -n 5 "$dir"/log/* >&2
    return 1
}

down() {
    for pid in "$1"/n*.pid "$1/slurmctld.pid" "$1/munge/pid"; do
        [ ! -e "$pid" ] || kill "$(cat "$pid")" 2>/dev/null || true
    done
}

"$@"
