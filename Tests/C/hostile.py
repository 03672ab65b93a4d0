#!/usr/bin/env python3
"""The hostile matrix: every parameter of every function of the headers, given what it should never be given.

Reads the declarations out of the header, lists (function, parameter, value) with the status that the header promises,
writes them as a C file around hostile_world.h and hostile_run.h, builds it and runs it: one process for each case. A
function without a good call in hostile_run.h does not compile; a parameter with fewer than five values that must be
refused fails the run. Beside those there are extremes that may pass, and are counted apart. Pointers that are not NULL
and point to memory that is not the caller's are his fault, and are not here.

    hostile.py --library build/lib --header include --build build/tests-c [--list] [-k text]
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hostile_model_values
import hostile_schedule_values
import hostile_values
from headers import text_of
from run import Failure, Place, check_output

HERE = Path(__file__).resolve().parent
LEAST = 5
# Any number has a name, is a seed, and is a metric; what is no algorithm reads no flags.
CANNOT_FAIL = {
    ("martlet_status_name", "status"),
    ("martlet_algorithm_flags", "algorithm"),
    ("martlet_algorithm_needs", "algorithm"),
    ("martlet_model_create", "seed"),
    ("martlet_model_own_set", "function"),  # NULL alone is known for none
    ("martlet_model_own_set", "user"),
    ("martlet_plateau_step", "metric"),
    ("martlet_step_sharded", "reduce"),  # NULL alone is known for none
    ("martlet_step_sharded", "context"),
}


class Parameter(NamedTuple):
    type: str  # as declared, without const but behind two stars: "martlet_config *"
    name: str


class Function(NamedTuple):
    returns: str
    name: str
    parameters: list[Parameter]


class Case(NamedTuple):
    function: Function
    parameter: Parameter
    value: str
    code: str
    expected: str

    @property
    def refused(self) -> bool:
        """Whether the call must fail."""
        return not {"OK", "ANY"} & set(self.expected.split("|"))


def declarations(folder: Path) -> list[Function]:
    """Every function that the headers declare."""
    text = re.sub(r"/\*.*?\*/", "", text_of(folder), flags=re.DOTALL)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    found = []
    for returns, name, inside in re.findall(r"\b([\w ]+?[\s*]+)(martlet_\w+)\(([^()]*)\)\s*;", text):
        parameters = []
        for part in (piece.strip() for piece in inside.split(",")):
            if part == "void":
                continue
            match = re.fullmatch(r"(const )?([\w ]+?)\s*(\**)\s*(\w+)", part.replace("*const *", "**"))
            if match is None:
                raise Failure(f"{name}: cannot read the parameter {part!r}")
            kept = match[1] if "**" in part else None
            parameters.append(Parameter((kept or "") + match[2] + (" " + match[3] if match[3] else ""), match[4]))
        found.append(Function(" ".join(returns.split()), name, parameters))
    return found


def cases(functions: list[Function]) -> Iterator[Case]:
    for function in functions:
        for parameter in function.parameters:
            others = (hostile_model_values, hostile_schedule_values)
            source = next((each for each in others if each.serves(function.name)), hostile_values)
            for value, code, expected in source.values_for(function.name, parameter.type, parameter.name):
                yield Case(function, parameter, value, code, expected)


def generated(functions: list[Function], listed: list[Case]) -> str:
    """The C file: a struct of arguments and a call for each function, and the table of cases."""
    lines = ["/* Written by hostile.py from martlet.h. */", '#include "hostile_world.h"']
    for function in functions:
        fields = " ".join(f"{p.type}{'' if p.type.endswith('*') else ' '}{p.name};" for p in function.parameters)
        arguments = ", ".join(f"a->{p.name}" for p in function.parameters)
        call = f"{function.name}({arguments})"
        lines += [
            f"struct call_{function.name} {{ {fields or 'int none;'} }};",
            f"static void good_{function.name}(struct world *w, struct call_{function.name} *a);",
            f"static martlet_status invoke_{function.name}(void *arguments) {{",
            f"    struct call_{function.name} *a = arguments;",
            "    (void)a;",
        ]
        if function.returns == "martlet_status":
            lines.append(f"    return {call};")
        elif function.returns.endswith("*"):
            lines.append(f"    return text_status({call});")
        else:
            lines += [f"    (void){call};", "    return MARTLET_OK;"]
        lines += [
            "}",
            f"static void prepare_{function.name}(struct world *w, void *a) {{ good_{function.name}(w, a); }}",
        ]
    for number, case in enumerate(listed):
        lines += [
            f"static void case_{number}(struct world *w, void *arguments) {{",
            f"    struct call_{case.function.name} *a = arguments;",
            f"    (void)w, (void)a;\n    {case.code}\n}}",
        ]
    lines.append("static const struct hostile_case cases[] = {")
    for number, case in enumerate(listed):
        text = ", ".join(c_text(part) for part in (case.function.name, case.parameter.name, case.value, case.expected))
        name = case.function.name
        lines.append(f"    {{{text}, prepare_{name}, invoke_{name}, case_{number}, sizeof(struct call_{name})}},")
    # Functions without parameters are called too, with nothing hostile about it.
    for function in functions:
        if not function.parameters:
            name = function.name
            lines.append(f'    {{"{name}", "", "no parameter", "OK", prepare_{name}, invoke_{name}, NULL, 1}},')
    return "\n".join([*lines, "};", '#include "hostile_run.h"', ""])


def c_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, default=Path("build/lib"))
    parser.add_argument("--header", type=Path, default=Path("include"))
    parser.add_argument("--build", type=Path, default=Path("build/tests-c"))
    parser.add_argument("--list", action="store_true", help="print the cases and do nothing")
    parser.add_argument("-k", metavar="TEXT", default="", help="run only cases that contain this")
    options = parser.parse_args()
    functions = declarations(options.header)
    listed = list(cases(functions))
    if options.list:
        for case in listed:
            print(f"{case.function.name}({case.parameter.name}): {case.value} -> {case.expected}")
        return 0
    poor = []
    for function in functions:
        for parameter in function.parameters:
            number = sum(c.function is function and c.parameter is parameter and c.refused for c in listed)
            if number < LEAST and (function.name, parameter.name) not in CANNOT_FAIL:
                poor.append(f"{function.name}({parameter.name}): {number} values to refuse, at least {LEAST} wanted")
    options.build.mkdir(parents=True, exist_ok=True)
    source = options.build / "hostile_cases.c"
    source.write_text(generated(functions, listed))
    place = Place(options.library, options.header, options.build, "gcc")
    program = place.compile(source, name="hostile", flags=(f"-I{HERE}",))
    folder = place.folder("hostile")
    try:
        output = check_output([str(program), *([options.k] if options.k else [])], limit=280, cwd=folder)
        status = 0
    except Failure as failure:
        output, status = str(failure), 1
    print(output.rstrip())
    for line in poor:
        print(line)
    parameters = sum(len(function.parameters) for function in functions)
    refused = sum(case.refused for case in listed)
    print(
        f"{refused} cases to refuse and {len(listed) - refused} extremes that may pass, "
        f"for {parameters} parameters of {len(functions)} functions"
    )
    return 1 if status or poor or not functions else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.SubprocessError) as failure:
        print(failure)
        sys.exit(1)
