#!/usr/bin/env bash
# Installs into an empty prefix whose name has a blank, and builds and runs program.c from there: through pkg-config and
# through cmake's find_package, with the shared library and with the static one. Again where the prefix was renamed, and
# where it was staged under DESTDIR. The lines that README.md and Examples/C/README.md give are run as they stand, in an
# empty home. The library itself is tested elsewhere.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
for tool in make gcc pkg-config cmake; do
    command -v "$tool" >/dev/null && continue
    echo "$tool was not found; on Debian and Ubuntu: apt-get install $tool" >&2
    exit 1
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^#define MARTLET_VERSION_[A-Z]* //p' "$root/include/martlet.h" | paste -sd.)
unset MARTLET_LIBRARY PKG_CONFIG_PATH PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH

passed=0
expect() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        printf '%s: got "%s", wanted "%s"\n%d passed, 1 failed\n' "$1" "$2" "$3" "$passed"
        exit 1
    fi
}

wanted="martlet $version, weight 0.990000"

quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }; }

# by_pkg_config WORDS LIBRARIES [FLAGS]: the program built with what pkg-config gives, run where LIBRARIES are found, says
# what it should. pkg-config escapes blanks for a shell, hence eval.
by_pkg_config() {
    local flags
    flags=$(eval "pkg-config --cflags --libs $1")
    quietly eval "gcc -std=c99 -Wall -Wextra -Wpedantic -Werror '$here/program.c' $flags ${3-} -o '$work/program'"
    expect "the program built with pkg-config $1" "$(LD_LIBRARY_PATH=$2 "$work/program")" "$wanted"
}

# by_cmake PROGRAMS ARGUMENT...: the same of the programs that cmake builds.
by_cmake() {
    local programs=$1 program
    shift
    rm -rf "$work/by-cmake"
    quietly cmake -S "$here" -B "$work/by-cmake" "$@"
    quietly cmake --build "$work/by-cmake"
    for program in $programs; do
        expect "$program built by cmake $*" "$("$work/by-cmake/$program")" "$wanted"
    done
}

# needed PROGRAM: whether it asks for the shared library.
needed() { readelf -d "$1" | grep -c 'NEEDED.*libmartlet' || true; }

# A prefix that is relative is one of the folder that make runs in.
prefix="$work/a prefix"
quietly make --silent -C "$root" install PREFIX="$(realpath --relative-to="$root" "$work")/a prefix"
files=$(cd "$prefix" && find . \( -type f -o -type l \) | sort | paste -sd' ')
expect "installed files" "$files" "./include/martlet.h ./include/martlet/algorithms.h ./include/martlet/layers.h ./include/martlet/models.h ./include/martlet/optimizers.h ./include/martlet/schedules.h ./include/martlet/training.h ./lib/cmake/Martlet/MartletConfig.cmake\
 ./lib/cmake/Martlet/MartletConfigVersion.cmake ./lib/libmartlet.a ./lib/libmartlet.so ./lib/libmartlet.so.0\
 ./lib/libmartlet.so.$version ./lib/pkgconfig/martlet-static.pc ./lib/pkgconfig/martlet.pc"
expect "placeholders left" "$(grep -rn '@[A-Z]*@' "$prefix/lib/cmake" "$prefix/lib/pkgconfig" || true)" ""
expect "lines that name the prefix" "$(grep -rhF "$work" "$prefix/lib/cmake" "$prefix/lib/pkgconfig" | sort -u)" "prefix=$prefix"

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
expect "pkg-config's version" "$(pkg-config --modversion martlet)" "$version"
by_pkg_config martlet "$prefix/lib"
expect "asks for the shared library" "$(needed "$work/program")" 1
by_pkg_config martlet-static ""
expect "asks for the shared library" "$(needed "$work/program")" 0
by_cmake "program program_static" -DCMAKE_PREFIX_PATH="$prefix"
expect "asks for the shared library" "$(needed "$work/by-cmake/program_static")" 0
met=yes
quietly_not() { "$@" >"$work/log" 2>&1 || met=no; }
quietly_not cmake -S "$here" -B "$work/too-new" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED=99
expect "find_package(Martlet 99)" "$met" no

# The static library: the header's names and no others, beside C++ of the program's own, in shared objects, with libc.a.
declared=$(sed -n 's/^    (any_function)\(martlet_[a-z0-9_]*\),.*/\1/p' "$root/Tests/C/header.c" | LC_ALL=C sort)
expect "names of libmartlet.a" "$(nm -g --defined-only "$prefix/lib/libmartlet.a" | sed -n 's/.* //p' | LC_ALL=C sort)" "$declared"
flags=$(pkg-config --cflags --libs martlet-static)
quietly eval "g++ -std=c++11 '$root/Examples/C/schedule.cpp' $flags -Wl,--gc-sections -o '$work/schedule'"
quietly "$work/schedule"
quietly eval "gcc -shared -fPIC '$here/program.c' $flags -o '$work/program.so'"
for test in lifecycle model_life fork_first; do
    quietly eval "gcc -std=c11 -D_GNU_SOURCE -ffp-contract=off -pthread '$root/Tests/C/$test.c' $flags -o '$work/$test'"
    (mkdir -p "$work/run" && cd "$work/run" && SWIFT_BACKTRACE=enable=no quietly "$work/$test")
done
[ ! -e "$(gcc -print-file-name=libc.a)" ] || by_pkg_config "--static martlet" "" "-static"

# Another name for all of it.
moved="$work/another prefix"
mv "$prefix" "$moved"
export PKG_CONFIG_PATH=$moved/lib/pkgconfig
by_pkg_config "--define-variable='prefix=$moved' martlet" "$moved/lib"
by_pkg_config "--define-variable='prefix=$moved' martlet-static" ""
by_cmake "program program_static" -DCMAKE_PREFIX_PATH="$moved"

# A stage, of which each tool is told in its own way; the library's folder is one as Debian's.
stage="$work/a stage"
where=(PREFIX=/opt/martlet LIBDIR=/opt/martlet/lib/some-linux DESTDIR="$stage")
quietly make --silent -C "$root" install "${where[@]}"
libraries=$stage/opt/martlet/lib/some-linux
expect "prefix in the staged martlet.pc" "$(sed -n 's/^prefix=//p' "$libraries/pkgconfig/martlet.pc")" /opt/martlet
export PKG_CONFIG_LIBDIR=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$stage
unset PKG_CONFIG_PATH
by_pkg_config martlet "$libraries"
by_pkg_config martlet-static ""
unset PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
by_cmake "program program_static" -DCMAKE_FIND_ROOT_PATH="$stage" -DMartlet_DIR="$libraries/cmake/Martlet"
touch "$libraries/another.so"
quietly make --silent -C "$root" uninstall "${where[@]}"
expect "what uninstall leaves" "$(cd "$stage" && find . ! -type d)" ./opt/martlet/lib/some-linux/another.so
quietly make --silent -C "$root" uninstall "${where[@]}"
met=yes
quietly_not make --silent -C "$root" install PREFIX="$work/\"quoted\""
expect "a prefix with quotes" "$met: $(grep -c 'cannot hold quotes' "$work/log")" "no: 1"

# lines FILE TEXT: the first block of shell lines in a page that contain a text.
lines() {
    awk -v text="$2" '/^```sh/ { block = ""; inside = 1; next }
        /^```/ { if (inside && index(block, text)) { printf "%s", block; exit } inside = 0 }
        inside { block = block $0 "\n" }' "$1"
}

mkdir -p "$work/home" "$work/clone/Examples/C"
cp "$root"/Examples/C/*.c "$work/clone/Examples/C"
install_line=$(lines "$root/README.md" "make install" | grep '^make install')
(unset PKG_CONFIG_PATH; cd "$root" && HOME=$work/home bash -euc "$install_line") >"$work/install.log" 2>&1 ||
    { cat "$work/install.log"; exit 1; }
for page in README.md Examples/C/README.md; do
    given=$(lines "$root/$page" PKG_CONFIG_PATH)
    expect "lines about pkg-config in $page" "$(wc -l <<<"$given")" 3
    folder=$work/clone/$(dirname "$page")
    said=$(unset PKG_CONFIG_PATH; cd "$folder" && HOME=$work/home bash -euc "$given" 2>&1) || true
    expect "what the lines of $page come to" "$(tail -n 1 <<<"$said" | cut -d" " -f5-7)" "y = 1.538"
    rm -f "$folder/adam"
done
echo "$passed passed, 0 failed"
