"""Settings: where a plugin's come from, and their check against its constructor."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from busway._conform import Mismatch, conform, parameters_of, takes_text
from busway.exceptions import PluginSettingsError
from busway.policy import read_required

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from busway._conform import Parameters
    from busway.policy import Required

__all__ = ["Configuration", "Section", "Setting", "environment_prefix"]

_DEFAULT_FILE: Final = "busway.toml"
_ARGUMENT: Final = "load_plugins(settings=...)"
_HIDDEN: Final = "***"
_RESERVED: Final = ("enabled", "distribution")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as it was read.

    Attributes:
        key: its name.
        value: as it was written; a secret is still the reference to it.
        source: where it was read: a file, an environment variable, an argument.
        is_text: whether it is a text that has yet to be read as TOML.
    """

    key: str
    value: object = field(repr=False)
    source: str
    is_text: bool = False


class Section:
    """The settings of one plugin.

    Attributes:
        plugin: the plugin's name.
        settings: by key, without the two that every plugin has.
        enabled: what they say; None if nothing.
        distribution: which distribution the plugin is to come from; None if any.
    """

    def __init__(self, plugin: str, settings: Mapping[str, Setting]) -> None:
        self.plugin: str = plugin
        self.settings: dict[str, Setting] = {
            key: one for key, one in settings.items() if key not in _RESERVED
        }
        self._secrets: set[str] = set()
        self.enabled: bool | None = None
        self.distribution: str | None = None
        if "enabled" in settings:
            self.enabled = bool(self._read(settings["enabled"], bool))
        if "distribution" in settings:
            self.distribution = str(self._read(settings["distribution"], str))

    def check_names(self, targets: Iterable[Callable[..., object]]) -> None:  # type: ignore[explicit-any]
        """See that every setting is a parameter of one of the targets.

        Raises:
            PluginSettingsError: if one is not.
        """
        taken = [parameters_of(target) for target in targets]
        known = sorted({name for one in taken for name in one.annotations} | set(_RESERVED))
        for key, setting in self.settings.items():
            if not any(one.open or key in one.annotations for one in taken):
                raise self._error(setting, f"unknown setting; there are {', '.join(known)}")

    def arguments_for(self, target: Callable[..., object]) -> dict[str, object]:  # type: ignore[explicit-any]
        """The keyword arguments that the settings are for a target, checked.

        Raises:
            PluginSettingsError: if one is ill-typed, a secret is not to be had, or one that is
                required is missing.
        """
        parameters: Parameters = parameters_of(target)
        for name in sorted(parameters.required - set(self.settings)):
            raise PluginSettingsError(
                "required, but not set",
                plugin=self.plugin,
                key=name,
                source=f"[plugins.{self.plugin}]",
            )
        return {
            key: self._read(setting, parameters.annotations.get(key, object))
            for key, setting in self.settings.items()
            if parameters.open or key in parameters.annotations
        }

    def values(self) -> dict[str, object]:
        """All settings, secrets resolved, unchecked: what the hooks are given."""
        return {key: self._read(one, object) for key, one in self.settings.items()}

    def shown(self) -> dict[str, tuple[str, str]]:
        """Each setting's value, secrets hidden, and its source: for reports."""
        return {
            key: (self.scrub(_show(one.value)), one.source) for key, one in self.settings.items()
        }

    @property
    def has_secrets(self) -> bool:
        """Whether secrets were resolved for it."""
        return bool(self._secrets)

    def scrub(self, text: str) -> str:
        """A text, an error's message say, without the secrets that were resolved."""
        written = {form for secret in self._secrets for form in _ways_to_write(secret)}
        for form in sorted(written, key=len, reverse=True):
            text = text.replace(form, _HIDDEN)
        return text

    def _read(self, setting: Setting, annotation: object) -> object:
        value = setting.value
        if setting.is_text:
            value = _parse_text(str(value), annotation)
        try:
            return conform(self._resolve(value, setting, annotation), annotation)
        except Mismatch as mismatch:
            shown = _HIDDEN if _has_secret(value) else _show(value)
            raise self._error(setting, f"{mismatch} is expected, not {shown}") from None

    def _resolve(self, value: object, setting: Setting, annotation: object) -> object:
        if _is_secret(value):
            secret = self._fetch(cast("Mapping[str, str]", value), setting)
            return secret if annotation is object else _parse_text(secret, annotation)
        if not _has_secret(value):  # it may be a live object, to be handed on as it is
            return value
        if isinstance(value, dict):
            return {key: self._resolve(one, setting, str) for key, one in value.items()}
        return [self._resolve(one, setting, str) for one in cast("list[object]", value)]

    def _fetch(self, reference: Mapping[str, str], setting: Setting) -> str:
        ((kind, name),) = reference.items()
        try:
            text = os.environ[name] if kind == "env" else Path(name).read_text(encoding="utf-8")
        except KeyError:
            raise self._error(setting, f"the environment variable {name} is not set") from None
        except (OSError, UnicodeDecodeError) as error:
            raise self._error(setting, f"the file {name!r} cannot be read: {error}") from None
        text = text.rstrip("\r\n") if kind == "file" else text
        if text:
            self._secrets.add(text)
        return text

    def _error(self, setting: Setting, message: str) -> PluginSettingsError:
        return PluginSettingsError(
            message, plugin=self.plugin, key=setting.key, source=setting.source
        )


class Configuration:
    """All that was configured: the file, the environment, and `load_plugins`' argument, in order.

    Attributes:
        middleware: the names of middleware plugins in the order the application wants.
        required: the plugins that must be active.
    """

    def __init__(self, arguments: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self._file, tables = _read_file()
        self._tables = _check_tables(self._file, tables)
        self._arguments = arguments or {}
        bus = self._check_bus(tables.get("bus", {}))
        self.middleware: tuple[str, ...] = self._read_names(bus, "middleware")
        self.required: tuple[Required, ...] = self._read_required(bus)

    def section(self, plugin: str) -> Section:
        """One plugin's settings: the file's, overlaid by the environment's and the argument's.

        Raises:
            PluginSettingsError: if `enabled` or `distribution` is ill-typed.
        """
        settings = {
            key: Setting(key, value, self._file)
            for key, value in self._tables.get(plugin, {}).items()
        }
        settings |= {one.key: one for one in _read_environment(plugin)}
        arguments: object = self._arguments.get(plugin, {})
        if not isinstance(arguments, Mapping):
            raise PluginSettingsError(
                "a mapping of settings is expected", plugin=plugin, key=None, source=_ARGUMENT
            )
        for key, value in arguments.items():
            settings[key] = Setting(key, value, _ARGUMENT)
        return Section(plugin, settings)

    def names(self) -> set[str]:
        """The plugins that the file or the argument speaks of, but for those required."""
        return {*self._tables, *self._arguments, *self.middleware}

    def _check_bus(self, bus: object) -> Mapping[str, object]:
        if not isinstance(bus, dict):
            raise _file_error(self._file, "bus", "a table is expected")
        for key in bus:
            if key not in ("middleware", "require"):
                known = "unknown setting; there are middleware and require"
                raise _file_error(self._file, f"bus.{key}", known)
        return bus

    def _read_names(self, bus: Mapping[str, object], key: str) -> tuple[str, ...]:
        names = bus.get(key, [])
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise _file_error(self._file, f"bus.{key}", "a list of plugins' names is expected")
        if len(set(names)) < len(names):
            raise _file_error(self._file, f"bus.{key}", "a name stands twice")
        return tuple(names)

    def _read_required(self, bus: Mapping[str, object]) -> tuple[Required, ...]:
        names = self._read_names(bus, "require")
        try:
            return tuple(read_required(names, f"{self._file}: bus.require"))
        except ValueError as error:
            raise _file_error(self._file, "bus.require", str(error)) from None


def _read_file() -> tuple[str, dict[str, object]]:
    named = os.environ.get("BUSWAY_CONFIG") or None
    path = named or _DEFAULT_FILE
    try:
        with Path(path).open("rb") as file:
            return path, tomllib.load(file)
    except FileNotFoundError:
        if named is None:
            return path, {}
        raise _file_error("BUSWAY_CONFIG", None, f"there is no file {path!r}") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _file_error(path, None, f"the file cannot be read: {error}") from None


def _check_tables(file: str, tables: Mapping[str, object]) -> dict[str, dict[str, object]]:
    for key in tables:
        if key not in ("bus", "plugins"):
            raise _file_error(file, key, "unknown table; there are [bus] and [plugins.NAME]")
    plugins = tables.get("plugins", {})
    if not isinstance(plugins, dict):
        raise _file_error(file, "plugins", "one table for each plugin is expected: [plugins.NAME]")
    for name, table in plugins.items():
        if not isinstance(table, dict):
            raise _file_error(file, f"plugins.{name}", "a table is expected")
    return plugins


def environment_prefix(plugin: str) -> str:
    """What the variables that hold a plugin's settings begin with."""
    return f"BUSWAY_{plugin.upper().replace('-', '_').replace('.', '_')}__"


def _read_environment(plugin: str) -> Iterator[Setting]:
    prefix = environment_prefix(plugin)
    for name, text in os.environ.items():
        if name.startswith(prefix):
            yield Setting(name[len(prefix) :].lower(), text, name, is_text=True)


def _parse_text(text: str, annotation: object) -> object:
    """A text as it stands where one is wanted, else a TOML value, else the text again."""
    if takes_text(annotation):
        return text
    if annotation is bool and text in ("0", "1"):
        return text == "1"
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if list(parsed) == ["value"] else text


def _is_secret(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in ("env", "file")
        and isinstance(next(iter(value.values())), str)
    )


def _has_secret(value: object) -> bool:
    if isinstance(value, dict):
        return _is_secret(value) or any(_has_secret(one) for one in value.values())
    return isinstance(value, list) and any(_has_secret(one) for one in value)


def _ways_to_write(secret: str) -> set[str]:
    """The forms a text takes in messages and tracebacks: as it is, quoted, line by line."""
    quoted = repr(secret)[1:-1]
    escaped = quoted.replace("'", "\\'") if "'" in secret and "\\'" not in quoted else quoted
    lines = {line.strip() for line in secret.splitlines() if line.strip()}
    return {secret, quoted, escaped} | lines


def _show(value: object) -> str:
    try:
        return repr(value) if isinstance(value, _PLAIN) else f"a {type(value).__name__}"
    except Exception:  # noqa: BLE001 - of a live object in a list
        return f"a {type(value).__name__}"


_PLAIN: Final = (str, int, float, bool, list, dict, Path, type(None))


def _file_error(source: str, key: str | None, message: str) -> PluginSettingsError:
    return PluginSettingsError(message, plugin="", key=key, source=source)
