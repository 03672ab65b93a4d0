#!/usr/bin/env python3
"""Checks that each twin of the kernels and of the rules is closed, in a release build: Tests/kernels_closed.py [FOLDER]

FOLDER is .build/release where none is named. The twins are one source compiled for three instruction sets. A function
that two of them emit under the same weak name is one of which the linker keeps any, so AVX code could come to run where
there is none. Checked are the objects (every weak function, and every function called, is the twin's own or on a short
list) and the library (AVX instructions only inside the functions of the AVX twins). Of all the library's objects, that
none calls swift_once, which starts a lazy value under a lock: a child forked meanwhile would wait for it forever; and
none what would ask for the tables of Unicode that the library is without. What is computed is not looked at here.
"""

import collections
import pathlib
import platform
import re
import subprocess
import sys

# The modules that are compiled for several instruction sets, and the sets, as their names end.
ROOMS = ["MartletKernels", "MartletRules"]
SETS = {"x86_64": ["", "AVX2", "AVX512"]}
ONE = [""]
# The instructions that a module of a set may use, and some function of it does.
ALLOWED = {"AVX2": ["AVX"], "AVX512": ["AVX", "AVX-512"]}
# Weak functions that a kernel object may hold beside its own.
WEAK_HELPERS: set[str] = set()
# What a kernel object may call: libc's copies, the stack guard, the fused multiply-add where there is no instruction
# for it, and the words of the kernels.
CALLED = {"memcpy", "memmove", "memset", "__stack_chk_fail", "fma"}
INTERFACE = "MartletKernelInterface"
# Data of the standard library that it may name: protocols that one of its own asks for. They hold no code.
PROTOCOLS = re.compile(r"\$s(?:S\w|s\d+\w+)Mp")

# What no module may call: the start of a lazy value; what asks for the properties of Unicode that the product is left
# without (Martlet/UnicodeProperties.swift): of its scalars, of Character, and lowercased() and uppercased().
LAZY = re.compile(r"swift_once")
PROPERTIES = re.compile(
    r"_swift_stdlib_get\w+|\$ss7UnicodeO6ScalarV10PropertiesV\w+|\$sSJ\d+(_?is|wholeNumber|lower|upper)\w+"
    r"|\$sS[Ssy]\d+(lower|upper)cased\w+"
)

AVX_REGISTER = re.compile(r"%(?:ymm\d|zmm\d|k[0-7]\b)")
AVX512_REGISTER = re.compile(r"%(?:zmm\d|k[0-7]\b)")
# Instructions with a VEX or EVEX prefix start with v; these few with v are older.
OLD_V = re.compile(r"v(?:err|erw|mcall|mlaunch|mread|mwrite|mxoff|mxon|mresume|mfunc|mptr\w*|mclear)\b")

# Functions of the C and C++ libraries that lock or wait (syscall: that is how a futex is reached), and who may call
# them: the stand-ins of Martlet/RuntimeLocks.swift; a worker, which no child has; what asks for random bytes.
WAITS = re.compile(
    r"pthread_(mutex|rwlock|cond|spin|barrier)_\w*(lock|wait)|pthread_(once|join)|__cxa_guard_\w+|call_once|(mtx|cnd)_\w+"
    r"|sem_\w*wait|syscall|_ZNK?St\w*(mutex|condition_variable|once|thread\w*join)\w*"
)
STAND_IN = r"__wrap_\w+|\$s7Martlet\w+"
MAY_WAIT = {
    "pthread_mutex_lock": STAND_IN,
    "pthread_mutex_unlock": STAND_IN,
    "__cxa_guard_acquire": STAND_IN,
    "__cxa_guard_release": STAND_IN,
    "sem_wait": r"\$s15MartletPlatform6Worker\w+|sem_wait",
    "syscall": r"swift_stdlib_random(\.cold\.\d+)?|syscall@plt",
}
CALL = re.compile(r"\b(?:call|jmp)\S*\s.*<(\w+)(?:@plt)?>")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def prefix(module: str) -> str:
    """How the mangled names of a Swift module's functions start."""
    return f"$s{len(module)}{module}"


def check_object(twin: str, path: pathlib.Path, violations: list[str]) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    for line in run("readelf", "--symbols", "--wide", str(path)).splitlines():
        fields = line.split()
        if len(fields) != 8 or not fields[0].rstrip(":").isdigit():
            continue
        kind, binding, section, name = fields[3], fields[4], fields[6], fields[7]
        own = name.startswith(prefix(twin))
        if section == "UND":
            counts["called or read"] += 1
            known = name in CALLED or name == "_GLOBAL_OFFSET_TABLE_" or PROTOCOLS.fullmatch(name)
            if not (own or known or name.startswith(prefix(INTERFACE))):
                violations.append(f"{path.name} of {twin} needs {name}")
        elif kind == "FUNC":
            counts["functions"] += 1
            if binding == "WEAK":
                counts["weak functions"] += 1
            if binding != "LOCAL" and not own and not (binding == "WEAK" and name in WEAK_HELPERS):
                violations.append(f"{path.name} of {twin} emits {name} ({binding.lower()})")
    return counts


def check_calls(folder: pathlib.Path, violations: list[str]) -> int:
    """How many objects of the library's modules there are; none may call what LAZY or PROPERTIES names."""
    objects = [path for path in sorted(folder.glob("Martlet*.build/*.o")) if not path.parent.stem.endswith("Tests")]
    for path in objects:
        for line in run("nm", "--undefined-only", str(path)).splitlines():
            name = line.split()[-1]
            if LAZY.fullmatch(name) or PROPERTIES.fullmatch(name):
                violations.append(f"{path.name} of {path.parent.stem} calls {name}")
    return len(objects)


def check_waits(path: pathlib.Path, callers: dict[str, set[str]], violations: list[str]) -> None:
    """`callers` holds, for each function that the library imports and calls, by which of its functions."""
    for line in run("nm", "--dynamic", "--undefined-only", str(path)).splitlines():
        name = line.split()[-1].partition("@")[0]
        if WAITS.fullmatch(name) and name not in MAY_WAIT:
            violations.append(f"{path.name} imports {name}")
    for name, who in MAY_WAIT.items():
        if not callers[name]:
            violations.append(f"{path.name}: nothing was seen to call {name}")
        for caller in sorted(callers[name]):
            if not re.fullmatch(who, caller):
                violations.append(f"{path.name}: {caller} calls {name}")


def check_library(path: pathlib.Path, violations: list[str]) -> collections.Counter[str]:
    counts: collections.Counter[str] = collections.Counter()
    function = ""
    users: dict[str, set[str]] = collections.defaultdict(set)
    callers: dict[str, set[str]] = collections.defaultdict(set)
    command = ["objdump", "--disassemble", "--no-show-raw-insn", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith(">:\n"):
                function = line[line.index("<") + 1 : -3]
                counts["functions"] += 1
            elif "\t" in line:
                instruction = line.split("\t", 1)[1]
                if AVX512_REGISTER.search(instruction):
                    users[function].add("AVX-512")
                elif called := CALL.search(instruction):
                    callers[called[1]].add(function)
                elif AVX_REGISTER.search(instruction) or (instruction[0] == "v" and not OLD_V.match(instruction)):
                    users[function].add("AVX")
    if process.returncode != 0:
        violations.append(f"objdump could not read {path}")
    check_waits(path, callers, violations)
    allowed = {room + which: ALLOWED[which] for room in ROOMS for which in ALLOWED}
    for function, used in users.items():
        module = next((module for module in allowed if function.startswith(prefix(module))), "")
        if not used.issubset(allowed.get(module, [])):
            violations.append(f"{path.name}: {function} uses {' and '.join(sorted(used))}")
        elif allowed[module][-1] in used:
            counts[f"with {allowed[module][-1]} of {module}"] += 1
    for module, instructions in allowed.items():
        if not counts[f"with {instructions[-1]} of {module}"]:
            violations.append(f"{path.name}: no function of {module} uses {instructions[-1]}; has it its flags?")
    return counts


def main() -> int:
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".build/release")
    violations: list[str] = []
    for twin in (room + which for room in ROOMS for which in SETS.get(platform.machine(), ONE)):
        total: collections.Counter[str] = collections.Counter()
        objects = sorted(folder.glob(f"{twin}.build/*.o"))
        for path in objects:
            total += check_object(twin, path, violations)
        if not total["functions"]:
            violations.append(f"{folder}/{twin}.build holds no function")
        print(f"{twin}: {len(objects)} objects, " + ", ".join(f"{count} {what}" for what, count in total.items()))
    modules = check_calls(folder, violations)
    print(f"all modules: {modules} objects looked into for lazy values and Unicode's properties")
    if modules < 20:
        violations.append(f"{folder} holds only {modules} objects")
    if platform.machine() in SETS:
        counts = check_library(folder / "libmartlet.so", violations)
        print("libmartlet.so: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    else:
        print(f"libmartlet.so: not looked into, since {platform.machine()} is one instruction set")
    for violation in violations:
        print(f"not closed: {violation}", file=sys.stderr)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
