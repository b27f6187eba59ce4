# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sphinx's configuration of the documentation site, which the nox session ``docs`` builds."""

from __future__ import annotations

from pathlib import Path

import yaml
from docutils import nodes

ROOT = Path(__file__).resolve().parent.parent.parent
SECTIONS = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
#: What the index calls the kinds of plugins, in this order.
PLUGINS = {"role": "Roles", "module": "Modules", "filter": "Filters and tests", "test": "Filters and tests"}
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]

project = "iotfleet.ota"
copyright = "iotfleet.ota contributors"
version = release = VERSION

extensions = ["sphinx_antsibull_ext"]
nitpicky = True
pygments_style = "ansible"
highlight_language = "yaml+jinja"
smartquotes = False

html_theme = "furo"
html_title = f"iotfleet.ota {VERSION}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_use_index = False

#: Labels of Ansible's documentation that the pages reference. Any other unknown reference is an error.
ANSIBLE = "https://docs.ansible.com/ansible/latest/"
OUTSIDE = {
    "action_plugins": "plugins/action.html",
    "ansible_collections.ansible.builtin.set_stats_module": "collections/ansible/builtin/set_stats_module.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def fill_index(app, docname, source):
    """Give the index the guides of the collection in their sections, and the plugins under their short names."""
    if docname == "index":
        pages = {title: [] for title in PLUGINS.values()}
        for page in sorted(app.project.docnames):
            name, _mark, kind = page.rpartition("_")
            if kind in PLUGINS:
                pages[PLUGINS[kind]].append(f"{name} <{page}>")
        source[0] = app.builder.templates.render_string(source[0], {"sections": SECTIONS, "plugins": pages})


def refer_outside(app, env, node, content):
    """Resolve a reference to Ansible's documentation."""
    page = OUTSIDE.get(node["reftarget"])
    return nodes.reference("", "", content, internal=False, refuri=ANSIBLE + page) if page else None


def setup(app):
    app.connect("source-read", fill_index)
    app.connect("missing-reference", refer_outside)
