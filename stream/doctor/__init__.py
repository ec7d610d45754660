"""What a machine has and what it lacks, a line for each thing, to be pasted into an issue.

Shown: versions, hardware, devices, free room, settings that are not the default. Not shown: names of this machine, of
its user and of hosts, serial numbers, secrets; the home folder is `~`.
"""

from stream.doctor.examination import examine
from stream.doctor.finding import Finding

__all__ = ["Finding", "examine"]
