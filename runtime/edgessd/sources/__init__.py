"""Where frames come from: files, images, cameras, network streams, pipelines of other programs, standard input."""

from edgessd.sources.address import Address as Address
from edgessd.sources.address import parse_address as parse_address
from edgessd.sources.files import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from edgessd.sources.files import Images as Images
from edgessd.sources.files import VideoFile as VideoFile
from edgessd.sources.files import decode_image as decode_image
from edgessd.sources.files import read_image as read_image
from edgessd.sources.frame import Frame as Frame
from edgessd.sources.frame import Interruptible as Interruptible
from edgessd.sources.frame import Source as Source
from edgessd.sources.open import address_text as address_text
from edgessd.sources.open import check_address as check_address
from edgessd.sources.open import frames as frames
from edgessd.sources.open import open_address as open_address
from edgessd.sources.open import open_source as open_source
from edgessd.sources.repeat import Repeated as Repeated
