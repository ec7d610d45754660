"""Live sources that are read and decoded by a process apart, so that decoders never take this one's lock.

    here   session ◀─frames─ Remote ◀══ socket: sound, tickets, condition ═══ Serving ◀─ LiveSource, its threads   there
                               └─pixels, when they are wanted─ shelf in shared memory ─┘

A decoder gives Python's lock up several times for each packet, and each time waits for it again among all that runs
Python here: at sixteen streams a quarter of the processor time was spent in handing it on.
"""
