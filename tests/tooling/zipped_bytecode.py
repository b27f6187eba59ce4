# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the bytecode of what is imported from zip archives, as Python keeps that of files.

Ansible sends each module as an archive of sources, which Python compiles anew in each run: half of the time that the
end-to-end tests take. A virtual environment with this module and a .pth file that imports it compiles each source once.
What is kept is found by the source's content, and by nothing else.
"""

import _imp
import marshal
import os
import sys
import zipimport

_compile = getattr(zipimport, "_compile_source", None)
_folder = os.path.join(sys.prefix, "zipped_bytecode")


def _compile_once(path, source):
    from hashlib import sha256

    kept = os.path.join(_folder, sha256(source).hexdigest())
    try:
        with open(kept, "rb") as file:
            code = marshal.loads(file.read())
        _imp._fix_co_filename(code, path)
    except (OSError, EOFError, ValueError):
        code = _compile(path, source)
        os.makedirs(_folder, exist_ok=True)
        with open(f"{kept}.{os.getpid()}", "wb") as file:
            file.write(marshal.dumps(code))
        os.replace(file.name, kept)
    return code


if _compile is not None:
    zipimport._compile_source = _compile_once
