#!/usr/bin/env bash
# Installs into an empty prefix, and builds and runs program.c from there: through pkg-config and through cmake's
# find_package. The lines that README.md and Examples/C/README.md give are run as they stand, in an empty home. Whether
# DESTDIR is respected is looked at too. The library itself is tested elsewhere.
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
unset MARTLET_LIBRARY PKG_CONFIG_PATH LD_LIBRARY_PATH

passed=0
expect() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        printf '%s: got "%s", wanted "%s"\n%d passed, 1 failed\n' "$1" "$2" "$3" "$passed"
        exit 1
    fi
}

prefix=$work/prefix
make --silent -C "$root" install PREFIX="$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }
files=$(cd "$prefix" && find . \( -type f -o -type l \) | sort | paste -sd' ')
expect "installed files" "$files" "./include/martlet.h ./lib/cmake/Martlet/MartletConfig.cmake\
 ./lib/cmake/Martlet/MartletConfigVersion.cmake ./lib/libmartlet.so ./lib/libmartlet.so.0\
 ./lib/libmartlet.so.$version ./lib/pkgconfig/martlet.pc"
expect "placeholders left" "$(grep -rn '@[A-Z]*@' "$prefix/lib/cmake" "$prefix/lib/pkgconfig" || true)" ""

export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
expect "pkg-config's version" "$(pkg-config --modversion martlet)" "$version"
# shellcheck disable=SC2046
gcc -std=c99 -Wall -Wextra -Wpedantic -Werror "$here/program.c" $(pkg-config --cflags --libs martlet) \
    "-Wl,-rpath,$(pkg-config --variable=libdir martlet)" -lm -o "$work/by-pkg-config"
expect "the program built through pkg-config" "$("$work/by-pkg-config")" "martlet $version, weight 0.990000"

cmake -S "$here" -B "$work/by-cmake" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log"
cmake --build "$work/by-cmake" >>"$work/cmake.log" || { cat "$work/cmake.log"; exit 1; }
expect "the program built through cmake" "$("$work/by-cmake/program")" "martlet $version, weight 0.990000"
met=yes
cmake -S "$here" -B "$work/too-new" -DCMAKE_PREFIX_PATH="$prefix" -DWANTED=99 >"$work/cmake.log" 2>&1 || met=no
expect "find_package(Martlet 99)" "$met" no

make --silent -C "$root" install PREFIX=/usr DESTDIR="$work/stage" >"$work/install.log"
expect "libraries under DESTDIR" "$(find "$work/stage/usr/lib" -type f -name "libmartlet.so.$version" | wc -l)" 1
expect "prefix in the staged martlet.pc" "$(sed -n 's/^prefix=//p' "$work/stage/usr/lib/pkgconfig/martlet.pc")" /usr
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
