#!/usr/bin/env bash
# Runs every suite, one after another, also after a failure, and ends with the plain line "suites: N passed, N failed".
#   run.sh ROOT LIBRARY_FOLDER VENV
# It sets up nothing: `make test` does.
set -uo pipefail
cd "$1" || exit 1
library=$(cd "$2" && pwd)
python=$(cd "$3/bin" && pwd)/python
export MARTLET_LIBRARY=$library/libmartlet.so.0 SWIFT_BACKTRACE=enable=no
unset MARTLET_ISA MARTLET_NUM_THREADS
passed=0
failures=()

suite() {
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
        printf '== %s: passed in %d s\n' "$name" $((SECONDS - start))
    else
        failures+=("$name")
        printf '== %s: FAILED after %d s\n' "$name" $((SECONDS - start))
    fi
}

# A process for each room: some tests look at settings that others have changed, or fork.
swift_tests() {
    local status=0 room
    swift build -c release --build-tests || return 1
    # A forked child would inherit a lock of the Swift runtime that another test holds: those that fork are all Platform's.
    swift test -c release --skip-build --no-parallel --filter MartletPlatformTests || status=1
    for room in Rules Compute Checkpoints Optimizers Models Exports; do
        swift test -c release --skip-build --filter "Martlet${room}Tests" || status=1
    done
    # The rules again where the C library takes no fused multiply-add instruction, as on the baseline's oldest machines.
    GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F \
        swift test -c release --skip-build --filter MartletRulesTests || status=1
    return $status
}

# Built with the tests above; their own manifest has to name products that there are.
swift_examples() {
    swift package --package-path Examples/Swift --scratch-path .build-example show-dependencies >/dev/null &&
        .build/release/example-quick && .build/release/example-sine && .build/release/example-digits Examples/C/digits.csv
}

suite "Swift" swift_tests
suite "Swift examples" swift_examples
suite "kernels closed" "$python" Tests/kernels_closed.py
suite "C" "$python" Tests/C/run.py --library "$library" --header include
suite "install" Tests/install/run.sh
suite "equivalence" "$python" Tests/equivalence/run.py
# A file of tests is one process's, so that what its tests share is made once; a process comes to 5 GB.
suite "Python" "$python" -m pytest -q -n auto --maxprocesses 2 --dist loadfile --no-loadscope-reorder bindings/python/tests
suite "examples" "$python" -m pytest -q Examples/python
suite "benchmarks" "$python" -m pytest -q Benchmarks
suite "setup" "$python" -m pytest -q Tests/test_setup.py Tests/test_readme.py

printf '\n'
[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
printf 'suites: %d passed, %d failed\n' "$passed" ${#failures[@]}
[ ${#failures[@]} -eq 0 ]
