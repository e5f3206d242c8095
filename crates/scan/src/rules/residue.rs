//! Caches that fill again, temporary files, and copies that nobody remembers.

use crate::{Action, Also, Detector, Find, Kinds, Rule, Source};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "package-cache",
        heading: "Caches of package managers",
        explain: "Downloaded packages and metadata. The next update fetches what it needs.",
        sources: &[Source::Sysprep("package-manager-cache"), Source::ImageBuilder, Source::Kubernetes],
        find: Find {
            paths: &[
                "/var/cache/{apt,apt-xapian-index,dnf,yum,libdnf5,zypp,zypp-common,PackageKit,pacman,apk,swupd,tdnf}/**",
                "/var/lib/dnf/repos/**",
                "/var/lib/PackageKit/*",
                "/etc/apk/cache/*",
            ],
            except: &["/var/cache/apt/archives/lock", "/var/cache/apk/installed"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "package-lists",
        heading: "Package lists of apt",
        explain: "Which packages the builder's sources had. `apt-get update` fetches them; nothing can \
                  be installed before.",
        sources: &[Source::Kubernetes, Source::ImageBuilder],
        find: Find {
            paths: &[
                "/var/lib/apt/lists/**",
                "/var/lib/apt/periodic/*",
                "/var/lib/{update-notifier,command-not-found}/*",
            ],
            except: &[
                "/var/lib/apt/lists/lock",
                "/var/lib/update-notifier/*.d",
                "/var/lib/command-not-found/*.d",
            ],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "package-history",
        heading: "History of dnf and yum",
        explain: "Which packages were installed when, and by whom. Off by default: it also holds which \
                  of them were asked for, without which autoremove guesses.",
        sources: &[Source::Sysprep("yum-uuid"), Source::ImageBuilder],
        find: Find::files(&[
            "/var/lib/{dnf,yum}/history*",
            "/var/lib/{dnf,yum}/history/**",
            "/usr/lib/sysimage/libdnf5/transaction_history.sqlite*",
        ]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "rpm-environment",
        heading: "Berkeley DB environment of rpm",
        explain: "__db.* files are locks and shared memory of rpm's database. rpm makes them again; \
                  the database itself stays.",
        sources: &[Source::Sysprep("rpm-db")],
        find: Find::files(&["/var/lib/rpm/__db.*", "/usr/lib/sysimage/rpm/__db.*"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "debconf-passwords",
        heading: "Answers to package questions that are passwords",
        explain: "passwords.dat keeps what was preseeded or typed. debconf makes a new one. Backup \
                  copies of debconf's and dpkg's databases go as well; the databases stay.",
        sources: &[Source::Own, Source::Outscale("O9")],
        find: Find::files(&[
            "/var/cache/debconf/passwords.dat*",
            "/var/cache/debconf/{config,templates}.dat-old",
            "/var/backups/{dpkg,apt,alternatives,debconf}.*",
            "/var/backups/debconf/*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "system-caches",
        heading: "Caches of the system",
        explain: "Caches that name what was looked at: manual pages, fonts, display manager, name \
                  service. Daily jobs and programs fill them again.",
        sources: &[Source::Sysprep("package-manager-cache"), Source::ForensicArtifacts],
        find: Find {
            paths: &[
                "/var/cache/{man,fontconfig,gdm,lightdm,cracklib-old,nscd,ldconfig,coolkey,realmd,libvirt,snapd/aux,systemtap,app-info,flashrom,fwupd,swcatalog,private/fwupd}/**",
                "/var/db/nscd/*",
            ],
            except: &["/var/cache/man/CACHEDIR.TAG", "/var/cache/fontconfig/CACHEDIR.TAG"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "temporary-files",
        heading: "Temporary files",
        explain: "All in /tmp and /var/tmp, directories too; the two stay, with their modes. \
                  systemd-tmpfiles and programs make what they need.",
        sources: &[Source::Sysprep("tmp-files"), Source::ImageBuilder],
        find: Find::paths(&["/tmp/*", "/var/tmp/*"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "runtime-files",
        heading: "Runtime files on disk",
        explain: "Files below /run that lie on the disk: a tmpfs hides them while the guest runs. \
                  Directories stay, for systems that keep them on disk.",
        sources: &[Source::Sysprep("utmp"), Source::Sysprep("pam-data"), Source::Own],
        find: Find {
            paths: &["/run/**", "/var/run/**", "/var/lock/**"],
            except: &["/run/mount", "/run/systemd/container"],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "resume-image",
        heading: "Leftovers of hibernation",
        explain: "uswsusp's and others' files beside the swap area. The image itself lies in swap, and \
                  goes with its body.",
        sources: &[Source::Own],
        find: Find::files(&["/var/lib/{hibernate,uswsusp}/**", "/hibernation.img", "/hiberfil.sys"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "swap-files",
        heading: "Swap files",
        explain: "Pages of memory, keys and passwords in them. The body becomes zero; header, size, \
                  label and UUID stay, so that swapon still takes the file. Found by fstab and in the \
                  places that installers use, and only if the header is one of a swap area.",
        sources: &[Source::Kubernetes, Source::Own],
        find: Find {
            paths: &[
                "/{swapfile,swap.img,swap,.swapfile,.swap}*",
                "/{swap,swapfile}/*",
                "/{mnt,mnt/resource,var,var/swap,var/cache,var/vm,var/lib/swap,var/lib/swapspace,opt,home,srv,root,data}/*swap*",
                "/var/{swap,vm,lib/swapspace}/*",
            ],
            kinds: Kinds::Files,
            detector: Some(Detector::SwapHeader),
            also: Some(Also::FstabSwap),
            ..Find::NOTHING
        },
        action: Action::SwapFile,
        default: true,
    },
    Rule {
        id: "editor-backups",
        heading: "Editors' backup and swap files",
        explain: "*~, *.bak, #*# and .*.swp hold earlier versions of files, a password since removed \
                  among them. Nothing reads them. Package managers' and containers' data is left \
                  alone.",
        sources: &[Source::Sysprep("backup-files")],
        find: Find {
            paths: &[
                "/{etc,root,srv}/**/*~",
                "/var/**/*~",
                "~/**/*~",
                "/{etc,root,srv}/**/*.bak",
                "/var/**/*.bak",
                "~/**/*.bak",
                "/{etc,root,srv,var}/**/.*.sw[a-p]",
                "~/**/.*.sw[a-p]",
                "/{etc,root,srv}/**/#*#",
                "~/**/#*#",
                "/etc/**/.#*",
                "/etc/**/.*.un~",
                "~/.saves-*",
                "~/.local/share/Trash/**/*.bak",
            ],
            except: &[
                "/var/lib/{dpkg,rpm,docker,containerd,containers,flatpak,snapd,lxc,lxd,machines,libvirt,incus}",
                "/var/opt",
                "~/.rustup",
                "~/.cargo/registry",
                "~/**/node_modules",
                "~/**/site-packages",
                "/etc/.git",
                "~/**/.git",
            ],
            kinds: Kinds::NotDirectories,
            ..Find::NOTHING
        },
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "config-backups",
        heading: "Backup copies of configuration",
        explain: "Earlier versions of files in /etc that package managers and people keep. Off by \
                  default: they may be wanted, and dpkg and rpm look at some.",
        sources: &[Source::Sysprep("backup-files")],
        find: Find::files(&[
            "/etc/**/*.{orig,old,save,dpkg-old,dpkg-dist,dpkg-new,dpkg-tmp,dpkg-bak,ucf-old,ucf-dist,ucf-new,rpmsave,rpmorig,rpmnew,pacsave,pacorig,cfgsaved}",
        ]),
        action: Action::Remove,
        default: false,
    },
    Rule {
        id: "file-name-databases",
        heading: "Databases of file names",
        explain: "locate's index names every file that existed when it was made, removed ones too. The \
                  daily job makes it again.",
        sources: &[Source::ForensicArtifacts],
        find: Find::files(&[
            "/var/lib/{mlocate,plocate,slocate}/*.db*",
            "/var/cache/locate/*",
            "/var/lib/mlocate/*.db.*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "lost-and-found",
        heading: "What filesystem checks found",
        explain: "Files and trees that fsck could not place: parts of removed files, mostly. \
                  lost+found itself stays.",
        sources: &[Source::Own],
        find: Find::paths(&["/{,*/,*/*/}lost+found/*"]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "trash",
        heading: "Trash and files that were removed while open",
        explain: "Trash of desktops, NFS' and FUSE's names for files that were removed while open, and \
                  e2fsck's undo files.",
        sources: &[Source::ForensicArtifacts, Source::Own],
        find: Find::paths(&[
            "/{,*/,*/*/}.Trash-*",
            "/{,*/,*/*/}.Trash",
            "~/.local/share/Trash",
            "~/.Trash",
            "~/.trash",
            "~/**/.{nfs0*,fuse_hidden*}",
            "/{srv,var,tmp,opt}/**/.{nfs0*,fuse_hidden*}",
            "/var/lib/e2fsprogs/*.e2undo",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "user-caches",
        heading: "Caches in homes",
        explain: "~/.cache and thumbnails: copies of what was looked at. Programs fill them again.",
        sources: &[Source::ForensicArtifacts, Source::Aws("A13")],
        find: Find::paths(&[
            "~/.cache",
            "~/.thumbnails",
            "~/.{npm,node-gyp,yarn,pip}/{_cacache,_logs,cache}",
            "~/.local/state/wireplumber",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "desktop-residue",
        heading: "What a desktop remembers",
        explain: "Recently used files, session cookies, error logs, search indexes.",
        sources: &[Source::ForensicArtifacts, Source::Attackers],
        find: Find::paths(&[
            "~/.local/share/{recently-used.xbel*,RecentDocuments,zeitgeist,tracker,gvfs-metadata,baloo,akonadi,klipper}",
            "~/.recently-used*",
            "~/.{Xauthority,Xauthority-*,ICEauthority,serverauth.*,xsession-errors*,esd_auth,pulse-cookie,dbus}",
            "~/.config/pulse/cookie",
            "~/.config/session",
            "~/.local/share/tracker*",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "browser-profiles",
        heading: "Profiles of browsers and mail programs",
        explain: "Passwords, cookies, history and mail of Firefox, Chromium and their kin, and \
                  Thunderbird. They start with a new profile.",
        sources: &[Source::ForensicArtifacts, Source::Attackers, Source::Outscale("O4")],
        find: Find::paths(&[
            "~/.mozilla",
            "~/.{thunderbird,icedove}",
            "~/.config/{google-chrome*,chromium,BraveSoftware,microsoft-edge*,opera*,vivaldi*,Slack,discord,Signal,Code/User/globalStorage,evolution}",
            "~/.local/share/{evolution,qutebrowser,TelegramDesktop}",
            "~/snap/{firefox,chromium,thunderbird}/common",
        ]),
        action: Action::Remove,
        default: true,
    },
    Rule {
        id: "account-settings",
        heading: "Settings of accounts on the login screen",
        explain: "AccountsService's notes on users: language, picture, last session. Off by default: \
                  it also hides system accounts.",
        sources: &[Source::Sysprep("user-account"), Source::ForensicArtifacts],
        find: Find::files(&["/var/lib/AccountsService/{users,icons}/*"]),
        action: Action::Remove,
        default: false,
    },
];
