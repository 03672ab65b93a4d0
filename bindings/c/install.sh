#!/usr/bin/env bash
# Puts the library where C programs find it, or takes it away: headers, shared and static library, and from the templates
# beside this file what pkg-config and cmake need to know. Builds nothing.
#   install.sh install BUILT VERSION ABI     from the folder BUILT, to PREFIX, LIBDIR and INCLUDEDIR under DESTDIR
#   install.sh uninstall BUILT VERSION ABI   what install put there
#   install.sh cmake BUILT VERSION ABI       the cmake package beside the libraries in BUILT, for who uses them there
# The four folders are taken from the environment. All but DESTDIR are made absolute; blanks are allowed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
task=$1 built=$2 version=$3 abi=$4

absolute() { realpath --canonicalize-missing --no-symlinks -- "$1"; }

# fill TEMPLATE NAME VALUE...: the template with each @NAME@ replaced.
fill() {
    local text name value
    text=$(<"$here/$1")
    shift
    while [ $# -gt 0 ]; do
        name=$1 value=$2
        text=${text//"@$name@"/"$value"}
        shift 2
    done
    printf '%s\n' "$text"
}

# cmake_package LIBRARIES INCLUDE INTO: the package for libraries and a header in these folders, in a folder of INTO's.
cmake_package() {
    local include folder=$3/cmake/Martlet
    include=$(realpath --canonicalize-missing --no-symlinks --relative-to="$1/cmake/Martlet" -- "$2")
    mkdir -p "$folder"
    fill MartletConfig.cmake.in ABI "$abi" INCLUDE "$include" >"$folder/MartletConfig.cmake"
    fill MartletConfigVersion.cmake.in ABI "$abi" VERSION "$version" >"$folder/MartletConfigVersion.cmake"
}

if [ "$task" = cmake ]; then
    cmake_package "$(absolute "$built")" "$root/include" "$built"
    exit
fi

for folder in "$PREFIX" "$LIBDIR" "$INCLUDEDIR"; do
    case $folder in *[\"\'\\\$\`#]* | *$'\n'*)
        echo "a folder is called $folder: pkg-config's files cannot hold quotes, \\, \$, \` and #" >&2
        exit 1 ;;
    esac
done
prefix=$(absolute "$PREFIX") libdir=$(absolute "$LIBDIR") includedir=$(absolute "$INCLUDEDIR")
libraries=${DESTDIR-}$libdir headers=${DESTDIR-}$includedir

# under FOLDER: as pkg-config's files say it, so that another prefix moves it too.
under() {
    case $1 in "$prefix"/*) echo "\${prefix}${1#"$prefix"}" ;; *) echo "$1" ;; esac
}

case $task in
install)
    install -d "$libraries/pkgconfig" "$headers/martlet"
    install -m 644 "$root/include/martlet.h" "$headers"
    install -m 644 "$root"/include/martlet/*.h "$headers/martlet"
    install -m 755 "$built/libmartlet.so.$version" "$libraries"
    install -m 644 "$built/libmartlet.a" "$libraries"
    ln -sf "libmartlet.so.$version" "$libraries/libmartlet.so.$abi"
    ln -sf "libmartlet.so.$abi" "$libraries/libmartlet.so"
    for name in martlet martlet-static; do
        fill $name.pc.in PREFIX "$prefix" LIBDIR "$(under "$libdir")" INCLUDEDIR "$(under "$includedir")" \
            VERSION "$version" >"$libraries/pkgconfig/$name.pc"
    done
    cmake_package "$libdir" "$includedir" "$libraries"
    echo "installed martlet $version in $libraries and $headers"
    ;;
uninstall)
    parts=("$root"/include/martlet/*.h)
    rm -f "$headers/martlet.h" "${parts[@]/#"$root/include"/"$headers"}" \
        "$libraries"/libmartlet.{a,so,"so.$abi","so.$version"} \
        "$libraries"/pkgconfig/martlet{,-static}.pc "$libraries"/cmake/Martlet/MartletConfig{,Version}.cmake
    rmdir --ignore-fail-on-non-empty "$libraries/cmake/Martlet" "$headers/martlet" 2>/dev/null || true
    echo "removed martlet $version from $libraries and $headers"
    ;;
*)
    echo "install.sh knows install, uninstall and cmake; it was given $task" >&2
    exit 2
    ;;
esac
