# shellcheck shell=bash
# The servers that the tests talk to: how each is prepared (cached in
# CACHE_DIR), started and stopped (under an instance folder of the caller's).
# Sourced after common.sh by scripts/test and scripts/servers, never run.
# shellcheck disable=SC2034 # WHY is read by those that source this
#
# An instance folder holds a folder for each running server: pid, port,
# password, version, log, data/, tmp/. Every server listens on 127.0.0.1 only,
# on a port picked at the start. A data folder is a copy of a pristine one, is
# used once and thrown away, so stopping is killing.
#
# A failing function leaves the reason in WHY. ATTACHED=1 makes the kernel
# kill the servers when the calling shell ends, however it ends.

SERVERS=(mysql mariadb moto)
MOTO_VERSION=5.2.1
# For scripts/template and scripts/lambda-watch, which share moto's Python. moto brings any cfn-lint; this one finds the
# same tomorrow.
CFN_LINT_VERSION=1.58.0
SAM_VERSION=1.115.0
CARGO_LAMBDA_VERSION=1.9.2
MYSQL_ROOT=$CACHE_DIR/mysql-root # a small Debian sid that holds MySQL
MOTO_VENV=$CACHE_DIR/python-$MOTO_VERSION-$CFN_LINT_VERSION-$SAM_VERSION-$CARGO_LAMBDA_VERSION
INSTANCES=$TARGET_DIR/test-servers
ATTACHED=
WHY=

# variable NAME: the environment variable with the address of server NAME for the tests;
# with _CA at its end, the one with the CA of a database's certificate.
variable() { printf 'RUMINATE_TEST_%s' "${1^^}"; }

# announcement NAME INSTANCE: those variables with their values, a line each.
announcement() {
    printf '%s=%s\n' "$(variable "$1")" "$(url "$1" "$2")"
    [[ $1 == moto ]] || printf '%s_CA=%s\n' "$(variable "$1")" "$2/$1/data/ca.pem"
}

# ---- Preparation -----------------------------------------------------------

# with_cache COMMAND...: holds the cache's lock during the command, on descriptor 9.
with_cache() {
    mkdir -p "$CACHE_DIR" || return 1
    exec 9>"$CACHE_DIR/lock"
    if ! flock -n 9; then
        note "waiting for another run that sets up $CACHE_DIR"
        run flock 9 || return 1
    fi
    local leftover rc=0
    for leftover in "$CACHE_DIR"/*.part; do
        [[ ! -e $leftover ]] || discard "$leftover"
    done
    "$@" || rc=$?
    exec 9>&-
    return "$rc"
}

# discard DIR: removes it, but nothing that is still mounted inside.
discard() {
    local mount
    while read -r mount; do
        umount -l "$mount" || return 1
    done < <(awk -v top="$1/" 'index($5, top) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
    rm -rf --one-file-system "${1:?}"
}

# set_up NAME LOG: makes sure that server NAME can be started.
set_up() {
    if [[ $(uname -s) != Linux ]] || ! command -v setpriv flock >/dev/null; then
        WHY="needs Linux with util-linux"
        return 1
    fi
    WHY="setting it up failed"
    with_cache "set_up_$1" "$2"
}

set_up_mysql() {
    packages "$1" openssl=openssl || return 1
    if [[ ! -d $MYSQL_ROOT ]]; then
        WHY="MySQL's files ($MYSQL_ROOT) can only be created by root on Debian"
        debian_root || return 1
        packages "$1" debootstrap=debootstrap || return 1
        WHY="creating $MYSQL_ROOT failed"
        note "fetching MySQL from Debian sid (under a minute, 600 MB)"
        twice make_mysql_root "$1" || return 1
    fi
    make_pristine mysql "$1"
}

# make_mysql_root LOG: MySQL of Debian sid in a separate root folder, since this
# Debian has none. Under a .part name until it is complete.
make_mysql_root() {
    local part=$MYSQL_ROOT.part mirror keyring proxy=
    discard "$part" || return 1
    IFS='|' read -r mirror keyring < <(debian_mirror) || return 1
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    quietly "$1" env ${proxy:+"http_proxy=$proxy"} debootstrap --variant=minbase \
        --include=mysql-server-core,mysql-client-core ${keyring:+"--keyring=$keyring"} \
        sid "$part" "$mirror" || return 1
    rm -rf "$part"/var/cache/apt/archives/*.deb "$part"/var/lib/apt/lists/*
    mv "$part" "$MYSQL_ROOT"
}

# debian_mirror: prints MIRROR|KEYRING as this machine's apt has them; KEYRING
# is empty for debootstrap's default.
debian_mirror() {
    local codename uri source keyring
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2016 # apt's own variables
    IFS='|' read -r uri source < <(
        apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)' \
            'Identifier: Packages' |
            awk -F'|' -v ours="$codename" '$3 == "main" && ($2 == ours ||
                $2 ~ /^(oldstable|stable|testing|unstable|sid)$/) { print $1 "|" $4; exit }'
    ) || { complain "apt's sources name no Debian mirror"; return 1; }
    keyring=$(sed -nE 's#^Signed-By: *(/.*)#\1#p; s#.*signed-by=(/[^] ]*).*#\1#p' "${source%:*}" | head -n 1)
    printf '%s|%s\n' "$uri" "$keyring"
}

set_up_mariadb() {
    packages "$1" openssl=openssl mariadbd=mariadb-server-core mariadb=mariadb-client-core || return 1
    WHY="initialising its data folder failed"
    make_pristine mariadb "$1"
}

set_up_moto() {
    ! "$MOTO_VENV/bin/python" -c 'import moto.server, cfnlint, samtranslator, pymysql' 2>/dev/null || return 0
    discard "$MOTO_VENV" || return 1
    find_python "$1" || return 1
    WHY="PyPI's moto[server], cfn-lint, aws-sam-translator, cargo-lambda and PyMySQL could not be installed"
    note "installing moto $MOTO_VERSION from PyPI"
    twice make_moto_venv "$1"
}

make_moto_venv() {
    local part=$MOTO_VENV.part
    discard "$part" || return 1
    quietly "$1" "$PYTHON" -m venv "$part" &&
        quietly "$1" "$part/bin/python" -m pip install --no-input --no-cache-dir "moto[server]==$MOTO_VERSION" \
            "cfn-lint==$CFN_LINT_VERSION" "aws-sam-translator==$SAM_VERSION" \
            "cargo-lambda==$CARGO_LAMBDA_VERSION" "PyMySQL==1.1.2" cryptography &&
        mv "$part" "$MOTO_VENV"
}

# find_python LOG: sets PYTHON to one that can create virtualenvs: the one on
# PATH, or Debian's, which may lack its venv package.
find_python() {
    for PYTHON in python3 /usr/bin/python3; do
        ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || return 0
    done
    packages "$1" ensurepip=python3-venv # a command that never exists
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null
}

# make_pristine NAME LOG: a freshly initialised data folder to copy from, one
# for each version of the server.
make_pristine() {
    local name=$1 log=$2 pristine part
    pristine=$(pristine "$name") && [[ $pristine ]] || return 1
    [[ ! -d $pristine ]] || return 0
    part=$pristine.part
    discard "$part" && mkdir -p "$part" || return 1
    note "initialising a data folder for $name"
    if [[ $name == mysql ]]; then
        mysql_tool mysqld
        quietly "$log" "${TOOL[@]}" --initialize-insecure --datadir="$part" || return 1
        rm -f "$part/auto.cnf" # the server's identity: each copy's own
    else
        quietly "$log" mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$part" \
            --auth-root-authentication-method=normal --skip-test-db || return 1
    fi
    mv "$part" "$pristine"
}

# pristine NAME: path of its pristine data folder.
pristine() {
    local version
    if [[ $1 == mysql ]]; then mysql_tool mysqld; else TOOL=(mariadbd --no-defaults); fi
    version=$("${TOOL[@]}" --version) || return 1
    [[ $version =~ Ver\ ([0-9.]+) ]] && printf '%s/%s-%s' "$CACHE_DIR" "$1" "${BASH_REMATCH[1]}"
}

# mysql_tool PROGRAM: sets TOOL to the command that runs MYSQL_ROOT's PROGRAM
# on that root's libraries, by its dynamic loader: no chroot, so it sees this
# machine's paths and needs no root.
mysql_tool() {
    local loader=("$MYSQL_ROOT"/usr/lib*/ld-linux-*.so.*) libraries=("$MYSQL_ROOT"/usr/lib/*-linux-gnu*)
    local share=$MYSQL_ROOT/usr/share/mysql program=$MYSQL_ROOT/usr/bin/$1
    [[ -x $program ]] || program=$MYSQL_ROOT/usr/sbin/$1
    TOOL=("${loader[0]}" --library-path "${libraries[0]}" "$program" --no-defaults
        --character-sets-dir="$share/charsets")
    [[ $1 != mysqld ]] || TOOL+=(--user="$(id -un)" --basedir="$MYSQL_ROOT/usr"
        --plugin-dir="$MYSQL_ROOT/usr/lib/mysql/plugin" --lc-messages-dir="$share")
}

# ---- Starting and stopping ------------------------------------------------

# start NAME INSTANCE: starts server NAME, set up before, and waits for it. A
# second try takes another port, in case the first is no longer free.
start() {
    local dir=$2/$1 try
    for try in 1 2; do
        discard "$dir"
        (umask 077 && mkdir -p "$dir/tmp") || return 1
        pick_port >"$dir/port"
        "launch_$1" "$dir" && await "$1" "$dir" && return 0
        complain "$1 did not start (try $try of 2); the end of its log:"
        tail -n 20 "$dir/log" >&2 || true
        stop "$1" "$2"
    done
    WHY="it did not start"
    return 1
}

pick_port() {
    local port
    while port=$((20000 + RANDOM % 12000)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    printf '%s\n' "$port"
}

# launch DIR COMMAND...: COMMAND in the background in a new session.
# The locks' descriptors (8, 9) stay behind.
launch() {
    local dir=$1 wrap=(setsid)
    shift
    [[ ! $ATTACHED ]] || wrap+=(setpriv --pdeathsig KILL)
    TMPDIR=$dir/tmp "${wrap[@]}" "$@" </dev/null >>"$dir/log" 2>&1 8>&- 9>&- &
    identity $! >"$dir/pid"
    disown # bash would announce that it was killed
}

# identity PID: the pid with its start time, which distinguishes it from a later
# process of the same number.
identity() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra stat <<<"${stat##*) }"
    [[ ${stat[0]} != Z ]] && printf '%s %s\n' "$1" "${stat[19]}"
}

# alive FILE: whether the process whose identity FILE holds still runs.
alive() {
    local was
    was=$(cat "$1" 2>/dev/null) && [[ $was && $(identity "${was% *}") == "$was" ]]
}

launch_mysql() {
    local pristine
    pristine=$(pristine mysql) && new_data "$pristine" "$1" || return 1
    mysql_tool mysqld
    launch_database "$1" "${TOOL[@]}" --mysqlx=OFF
}

launch_mariadb() {
    local pristine
    pristine=$(pristine mariadb) && new_data "$pristine" "$1" || return 1
    launch_database "$1" mariadbd --no-defaults --user="$(id -un)"
}

# new_data PRISTINE DIR: a copy in DIR/data, and the statements that let root
# in by TCP with a new password.
new_data() {
    local password
    cp -a --reflink=auto "$1" "$2/data" || return 1
    password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
    (
        umask 077
        printf '%s\n' "$password" >"$2/password"
        cat >"$2/init.sql" <<SQL
ALTER USER root@localhost IDENTIFIED BY '$password';
CREATE USER IF NOT EXISTS root@'127.0.0.1';
ALTER USER root@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
SQL
    )
}

# new_certificates DATA: a new CA and a server certificate for
# localhost, and only by that name, so that a name that is wrong can be tried.
new_certificates() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30)
    rm -f "$1"/*.pem
    openssl req -x509 "${key[@]}" -subj '/CN=ruminate test authority' -keyout "$1/ca-key.pem" -out "$1/ca.pem" &&
        openssl req "${key[@]}" -subj '/CN=localhost' -keyout "$1/server-key.pem" -out "$1/server.csr" &&
        openssl x509 -req -in "$1/server.csr" -CA "$1/ca.pem" -CAkey "$1/ca-key.pem" -CAcreateserial -days 30 \
            -extfile <(printf 'subjectAltName=DNS:localhost') -out "$1/server-cert.pem"
}

# launch_database DIR SERVER...: with the common settings of the two databases.
# Durability, packet and binlog settings are each server's defaults.
launch_database() {
    local dir=$1
    shift
    new_certificates "$dir/data" >>"$dir/log" 2>&1 || return 1
    launch "$dir" "$@" --ssl-ca="$dir/data/ca.pem" --ssl-cert="$dir/data/server-cert.pem" \
        --ssl-key="$dir/data/server-key.pem" --datadir="$dir/data" --tmpdir="$dir/tmp" --init-file="$dir/init.sql" \
        --bind-address=127.0.0.1 --port="$(<"$dir/port")" --socket=server.sock \
        --skip-name-resolve --secure-file-priv= --local-infile=ON \
        --max-connections=500 --innodb-buffer-pool-size=256M
}

launch_moto() {
    launch "$1" "$MOTO_VENV/bin/python" -m moto.server -H 127.0.0.1 -p "$(<"$1/port")"
}

# await NAME DIR: until the server answers, up to a minute.
await() {
    local until=$((SECONDS + 60))
    while ((SECONDS < until)); do
        alive "$2/pid" || return 1
        if answers "$1" "$2" >"$2/version" 2>"$2/answer"; then return 0; fi
        sleep 0.1
    done
    cat "$2/answer" >&2
    return 1
}

# answers NAME DIR: prints the version of the running server.
answers() {
    if [[ $1 == moto ]]; then
        local line
        exec 3<>"/dev/tcp/127.0.0.1/$(<"$2/port")" || return 1
        printf 'GET /moto-api/ HTTP/1.0\r\n\r\n' >&3
        read -r -t 10 line <&3 || line=
        exec 3>&-
        [[ $line == HTTP/*' 200 '* ]] && printf '%s\n' "$MOTO_VERSION"
    else
        client "$1" "$2" --batch --skip-column-names --connect-timeout=5 --execute='SELECT VERSION()'
    fi
}

# client NAME DIR ARGUMENTS...: the server's own SQL client, by TCP as root.
client() {
    local name=$1 dir=$2
    shift 2
    if [[ $name == mysql ]]; then mysql_tool mysql; else TOOL=(mariadb --no-defaults); fi
    MYSQL_PWD=$(<"$dir/password") "${TOOL[@]}" --host=127.0.0.1 --protocol=TCP --port="$(<"$dir/port")" \
        --user=root "$@"
}

# url NAME INSTANCE: the address for the tests.
url() {
    local dir=$2/$1
    if [[ $1 == moto ]]; then
        printf 'http://127.0.0.1:%s' "$(<"$dir/port")"
    else
        printf 'mysql://root:%s@127.0.0.1:%s' "$(<"$dir/password")" "$(<"$dir/port")"
    fi
}

# stop NAME INSTANCE: kills it and removes its folder.
stop() {
    local dir=$2/$1 pid
    if alive "$dir/pid"; then
        read -r pid _ <"$dir/pid"
        kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
        while alive "$dir/pid"; do sleep 0.05; done
    fi
    discard "$dir"
}

# stop_all INSTANCE: stops its servers and removes the instance.
stop_all() {
    local name
    for name in "${SERVERS[@]}"; do stop "$name" "$1"; done
    discard "$1"
    rmdir "$INSTANCES" 2>/dev/null || true
}
