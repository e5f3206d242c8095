//! What was typed. A symbolic link in a history's place (to /dev/null, mostly) is a decision, and stays.

use crate::{Action, Find, Kinds, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "program-histories",
        heading: "Histories of programs",
        explain: "What was typed into database clients, interpreters, editors and pagers, passwords \
                  and hosts among it. Programs start a new history.",
        sources: &[Source::Aws("A13"), Source::ForensicArtifacts, Source::Attackers],
        find: Find {
            paths: &[
                "~/.{mysql,psql,sqlite,rediscli,mariadb,python,node_repl,ts_node_repl,irb,irb-,pry,php,gdb,lldb,scapy,octave,units,bc,guile,julia,erlang,iex,influx,cassandra,hive,beeline,spark,scala,osqueryi,nslookup,ftp,telnet}_history*",
                "~/.{dbshell,mongorc_history,octave_hist,Rhistory,rediscli_history,lesshst,viminfo,viminf?.tmp,wget-hsts,lynx_cookies,netrwhist}",
                "~/.mongo/.dbshell",
                "~/.mongodb/mongosh/**",
                "~/.R/.Rhistory",
                "~/.vim/.netrwhist",
                "~/.cassandra/*history*",
                "~/.w3m/{history,cookie}",
                "~/.elinks/*hist*",
                "~/.links*/*.his",
                "~/.local/share/nvim/{shada,swap,undo,backup}/**",
                "~/.local/state/nvim/{shada,swap,undo,backup}/**",
                "~/.vim/{undo,swap,backup,undodir}/**",
                "~/.local/state/{lesshst,*history*}",
                "~/.local/state/*/*history*",
                "~/.local/share/mc/{history,filepos}",
                "~/.mc/{history,filepos}",
                "~/.ipython/profile_*/history.sqlite*",
                "~/.local/share/jupyter/runtime/*",
                "~/.emacs.d/{history,savehist,recentf,places,.emacs-places,auto-save-list/**,backups/**}",
                "~/.{emacs-places,recentf}",
                "~/.nano/*history*",
                "~/.local/share/nano/*history*",
                "~/.tmux/resurrect/*",
                "~/.local/share/tmux/resurrect/*",
            ],
            kinds: Kinds::Files,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "shell-histories",
        heading: "Histories of shells",
        explain: "Every ~/.*history, and where fish, PowerShell and history databases keep theirs, in \
                  every home: AWS warns that keys typed on a command line end up here. Shells start a \
                  new file.",
        sources: &[
            Source::Aws("A11"),
            Source::Aws("A12"),
            Source::Outscale("O11"),
            Source::Sysprep("bash-history"),
            Source::Sysprep("zsh-history"),
            Source::ForensicArtifacts,
            Source::Attackers,
        ],
        find: Find {
            paths: &[
                "~/.*history",
                "~/.*history[-.~]*",
                "~/.{histfile,zhistory,history}*",
                "~/.config/zsh/{.zsh_history,.histfile,history}",
                "~/.local/share/zsh/history*",
                "~/.{bash,zsh}_sessions/**",
                "~/.local/share/fish/*history*",
                "~/.config/fish/*history*",
                "~/.local/share/powershell/PSReadLine/*",
                "~/.local/share/{atuin,mcfly,hstr,zoxide}/**",
                "~/.{mcfly,hstr_*,z,autojump/**,fasd}",
                "~/.local/share/autojump/**",
                "~/.config/nushell/history.*",
                "~/.local/share/nushell/history.*",
                "~/.screen*log*",
                "~/{screenlog.*,typescript}",
            ],
            kinds: Kinds::Files,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "sudo-state",
        heading: "sudo's notes on users",
        explain: "Who used sudo, and when. sudo lectures users once more.",
        sources: &[Source::Own],
        find: Find::files(&[
            "/var/lib/sudo/{ts,lectured}/**",
            "/var/lib/sudo/*/*",
            "/var/db/sudo/{ts,lectured}/**",
            "/{run,var/run}/sudo/ts/*",
        ]),
        action: Action::Remove,
        default: true,
    },
];
