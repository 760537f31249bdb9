"""``python -m genmodel_operator.cli`` is ``genmodel``."""

import sys

from genmodel_operator.cli.command import main

sys.exit(main())
