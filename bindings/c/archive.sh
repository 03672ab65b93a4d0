#!/usr/bin/env bash
# Makes libmartlet.a out of what SwiftPM linked libmartlet.so from: one object with ours and as much of the Swift runtime
# as they need, whose only global names are those of exports.map, so that a program may hold C++ or Swift of its own.
#   archive.sh BUILT EXPORTS ARCHIVE
# BUILT is SwiftPM's folder of the release build. Needs GNU ld and objcopy; compiles nothing.
set -euo pipefail
built=$1 exports=$2 archive=$3
runtime=$(swiftc -print-target-info -static-stdlib | sed -n 's/.*"runtimeResourcePath": *"\(.*\)".*/\1/p')/linux
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^ *\(martlet_[a-z0-9_]*\);.*/\1/p' "$exports" >"$work/names"
libraries=()
for name in swiftCore swiftGlibc swiftSynchronization swift_Builtin_float swiftSwiftOnoneSupport; do
    libraries+=("$runtime/lib$name.a")
done
# CGlibc asks for what an older libc.so.6 has, and a program may be linked with another, or with libc.a.
grep -v /CGlibc.build/ "$built/martlet.product/Objects.LinkFileList" >"$work/objects"
# What stands in for the runtime's locks, as in the shared library.
mapfile -t wraps < <(nm --defined-only "$built"/Martlet.build/*.o | sed -n 's/^.* T __wrap_/--wrap=/p')
# Groups are dissolved: of two groups of one name, this object's and a program's, a linker keeps one, and the other's
# functions, whose names are local here, would be gone.
ld -r --force-group-allocation "${wraps[@]}" -o "$work/all.o" @"$work/objects" \
    "$runtime/$(uname -m)/swiftrt.o" --start-group "${libraries[@]}" --end-group
objcopy --keep-global-symbols="$work/names" "$work/all.o" "$work/own.o"
objcopy --strip-unneeded "$work/own.o" "$work/martlet.o"
missing=$(nm --undefined-only "$work/martlet.o" | sed -n 's/^ *U \(\$s\|swift_\|_swift_\)/\1/p' | head -n 3)
if [ -n "$missing" ]; then
    echo "parts of the Swift runtime are not in ${libraries[*]}: $missing" >&2
    exit 1
fi
rm -f "$archive"
ar rcs "$archive" "$work/martlet.o"
