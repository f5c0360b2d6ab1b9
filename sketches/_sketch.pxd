cimport cython


cdef class Sketch:
    # Held over C code alone, in which nothing collects or calls back, and never two at once: a
    # merge takes what the other holds at one moment, under its lock, and gives it to this one.
    cdef cython.pymutex lock
