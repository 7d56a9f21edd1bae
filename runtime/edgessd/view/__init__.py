"""The live page in the browser: cameras with their boxes, events, zones to draw. Needs the extra ``view``."""

from edgessd.view.settings import ViewSettings as ViewSettings
from edgessd.view.sink import View as View
