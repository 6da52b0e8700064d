"""What a person writes: schema of site and host, strict YAML, messages with place, fault, allowed, cure."""

from controller.config.host import Host
from controller.config.loader import load_host, load_site
from controller.config.problem import ConfigError, Problem
from controller.config.site import Site

__all__ = ["ConfigError", "Host", "Problem", "Site", "load_host", "load_site"]
