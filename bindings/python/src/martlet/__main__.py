"""python -m martlet info | config | bench | gallery | run | export: this installation, what C needs of it, its speed,
its algorithms, a training script with them, a model as a file of ONNX or C.

info and config need numpy alone.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from importlib import metadata

import martlet
from martlet import _catalogue, _ffi, _library


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m martlet", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="info|config|bench|gallery|run|export")
    facts = commands.add_parser("info", help="version, library, instruction set, threads")
    facts.add_argument("--algorithms", action="store_true", help="the table of algorithms, by their names everywhere")
    config = commands.add_parser("config", help="compiler and linker flags for C programs")
    config.add_argument("--cflags", action="store_true", help="where the header is")
    config.add_argument("--libs", action="store_true", help="where the library is")
    config.add_argument("--cmake", action="store_true", help="the folder of the CMake package, for -DMartlet_DIR")
    bench = commands.add_parser("bench", help="time a step on this machine, beside torch's or numpy's")
    bench.add_argument("--seconds", type=float, default=0.5, metavar="S", help="time for each row (default: 0.5)")
    gallery = commands.add_parser("gallery", help="every algorithm on surfaces and digits, its rates swept")
    gallery.add_argument("--only", nargs="+", default=(), metavar="NAME", help="problems and algorithms (default: all)")
    gallery.add_argument("--quick", action="store_true", help="few rates and steps, to see that it runs")
    gallery.add_argument("--output", metavar="DIR", help="for pictures, table and all runs (default: print the table)")
    script = commands.add_parser("run", help="a training script as it stands, with Martlet's optimizers for torch's")
    script.add_argument("--algorithms", metavar="NAMES", help="which of torch.optim, such as adam,sgd (default: all)")
    script.add_argument("--compare", action="store_true", help="run it twice, torch's first; print losses and times")
    script.add_argument("--as-it-is", action="store_true", help=argparse.SUPPRESS)
    script.add_argument("--record", help=argparse.SUPPRESS)
    script.add_argument(
        "-m", dest="is_module", action="store_true", help="what follows is a module's name, as python -m"
    )
    script.add_argument("script", help="a path, or with -m a module's name")
    script.add_argument("arguments", nargs=argparse.REMAINDER, help="what it gets as its own")
    export = commands.add_parser("export", help="a model that was saved as one file of ONNX or of C, and its size")
    export.add_argument("model", help="what save wrote, such as model.safetensors, or a .keras file of Keras's")
    export.add_argument("target", help="a name that ends in .onnx or .c")
    options = parser.parse_args(arguments)
    if options.command == "info":
        print(_catalogue.text() if options.algorithms else info())
    elif options.command == "config":
        every = not (options.cflags or options.libs or options.cmake)
        if every or options.cflags or options.libs:
            print(flags(cflags=every or options.cflags, libs=every or options.libs))
        if options.cmake:
            print(cmake_folder())
    elif options.command == "bench":
        from martlet import _bench

        _bench.run(options.seconds)
    elif options.command == "run":
        return _run(script, options)
    elif options.command == "export":
        _export(export, options)
    else:
        _show_gallery(gallery, options)
    return 0


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    try:
        from martlet.torch import running
    except ImportError as error:
        parser.error(f"it needs torch: {error}")
    target = running.Target(options.script, options.is_module, options.arguments)
    if not target.is_module and not os.path.exists(target.name):
        parser.error(f"there is no {target.name!r}; wanted a script's path, or -m and a module's name")
    algorithms = None if options.algorithms is None else options.algorithms.replace(",", " ").split()
    try:
        running.install(algorithms)
    except ValueError as error:
        parser.error(f"--{error}")
    running.uninstall()
    if options.compare:
        return running.compare(target, algorithms)
    return running.run(target, algorithms, options.record, installs=not options.as_it_is)


def _export(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    from martlet import _c_file, nn

    suffix = os.path.splitext(options.target)[1]
    if suffix not in (".onnx", ".c"):
        parser.error(f"target is {options.target!r}; wanted a name such as model.onnx or model.c")
    try:
        read = nn.from_keras if options.model.endswith(".keras") else nn.load_model
        model = read(options.model)
        (model.to_c if suffix == ".c" else model.to_onnx)(options.target)
    except (martlet.MartletError, ImportError) as error:
        parser.error(str(error))
    if suffix == ".c":
        print(*_c_file.report(options.target), sep="\n")
    else:
        print(f"{options.target}: {os.path.getsize(options.target):,} bytes")


def _show_gallery(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    from martlet.gallery import command

    try:
        names = [name.lower() for word in options.only for name in word.replace(",", " ").split()]
        command.run(names, quick=options.quick, output=options.output)
    except ValueError as error:
        parser.error(f"--only: {error}")
    except OSError as error:
        parser.error(f"--output: {error}")
    except ImportError as error:
        parser.error(str(error))


def info() -> str:
    """A line for each fact."""
    machine = martlet.machine()
    rows = {
        "version": martlet.__version__,
        "library": f"{_ffi.library_path} ({_ffi.martlet_version_name().decode()}, ABI {_ffi.martlet_abi_get()})",
        "header": os.path.join(_include_folder(), "martlet.h"),
        "instruction set": f"{machine.isa} (this machine's best: {machine.isa_best})",
        "threads": f"{machine.threads} (this machine's default: {machine.threads_default})",
        "least elements for a thread": str(machine.chunk),
        "Python": sys.version.split()[0],
        "numpy": sys.modules["numpy"].__version__,
    }
    try:
        rows["torch"] = metadata.version("torch")
    except metadata.PackageNotFoundError:
        rows["torch"] = "not installed; martlet.torch needs it"
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())


def flags(*, cflags: bool, libs: bool) -> str:
    """What a C compiler needs to build against this installation; programs find the library again where it is.

    Words are quoted as a shell wants them; those with blanks ask for eval, as pkg-config's do.
    """
    folder = _library_folder()
    words = [f"-I{_include_folder()}"] if cflags else []
    if libs:
        words += [f"-L{folder}", f"-l:{_library.FILE_NAME}", f"-Wl,-rpath,{folder}"]
    return shlex.join(words)


def cmake_folder() -> str:
    """Where MartletConfig.cmake is, beside the library."""
    folder = os.path.join(_library_folder(), "cmake", "Martlet")
    if not os.path.isfile(os.path.join(folder, "MartletConfig.cmake")):
        sys.exit(
            f"there is no {folder}, where a wheel and an installed library have MartletConfig.cmake: in a source tree, "
            "'make lib' writes it"
        )
    return folder


def _library_folder() -> str:
    return os.path.dirname(os.path.realpath(_ffi.library_path))


def _include_folder() -> str:
    return os.path.join(_library.source_root() or _library.PACKAGE_FOLDER, "include")


if __name__ == "__main__":
    sys.exit(main())
