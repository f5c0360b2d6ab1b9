from libc.stdint cimport int16_t, int32_t, uint8_t, uint32_t

cdef extern from "hnsw.h" nogil:
    enum: HNSW_DEGREE_MAX, HNSW_LINES_MAX, HNSW_SLOTS_MAX
    ctypedef struct hnsw_graph:
        uint32_t slots, room, degree, lines
        int borrowed
        uint8_t *codes
        uint32_t *links
        uint8_t *locks
        uint32_t entries
        uint32_t *entry
    ctypedef struct hnsw_scratch:
        pass
    ctypedef struct hnsw_projection:
        uint32_t dim, padded, kept
        int metric
        float step, gain, share, longest
        const int16_t *matrix
        const float *mean
    ctypedef struct hnsw_kernels:
        void (*join)(hnsw_graph *, hnsw_scratch *, uint32_t slot, uint32_t ef) noexcept nogil
        void (*leave)(hnsw_graph *, hnsw_scratch *, uint32_t slot, uint32_t ef) noexcept nogil
        size_t (*reach)(hnsw_graph *, hnsw_scratch *, uint8_t *mark, uint32_t ef) noexcept nogil
    int hnsw_start(hnsw_graph *, uint32_t lines, uint32_t degree)
    int hnsw_recode(hnsw_graph *, uint32_t lines)
    int hnsw_set_entries(hnsw_graph *, const uint32_t *slots, uint32_t n)
    int hnsw_is_sound(const hnsw_graph *)
    void hnsw_clear_links(const hnsw_graph *, uint32_t slot)

cdef extern from "hnsw_index.h" nogil:
    ctypedef struct hnsw_hit:
        float distance
        uint32_t slot
    ctypedef struct hnsw_index:
        hnsw_graph graph
        hnsw_projection projection
        int kind
        size_t stride
        uint32_t live
        uint8_t *rows
        uint8_t *alive
        float *lengths
        int borrowed
    ctypedef struct hnsw_desk:
        hnsw_scratch search
        hnsw_hit *hits
    ctypedef struct hnsw_desks:
        pass
    ctypedef struct hnsw_gate:
        pass
    ctypedef struct hnsw_tools:
        const hnsw_kernels *graph
    hnsw_tools hnsw_tools_for(int level, const hnsw_index *)
    int hnsw_desk_fit(hnsw_desk *, const hnsw_index *, uint32_t ef, uint32_t k)
    int hnsw_index_reserve(hnsw_index *, uint32_t room)
    int hnsw_index_hold(hnsw_index *, uint32_t n)
    void hnsw_index_release(hnsw_index *)
    size_t hnsw_index_nbytes(const hnsw_index *)
    int hnsw_queries_are_plain(const float *, size_t n, size_t dim, int directed)
    void hnsw_index_write(hnsw_index *, hnsw_desk *, const hnsw_tools *, uint32_t slot,
                          const void *row, const float *floats)
    void hnsw_index_encode(hnsw_index *, hnsw_desk *, const hnsw_tools *, uint32_t slot,
                           const float *floats)
    uint32_t hnsw_index_search(const hnsw_index *, hnsw_desk *, const hnsw_tools *,
                               const void *query, uint32_t k, uint32_t ef, const uint8_t *allowed)
    uint32_t hnsw_index_scan(const hnsw_index *, hnsw_desk *, const hnsw_tools *,
                             const void *query, uint32_t k, const uint32_t *slots, uint32_t n)
    hnsw_desk *hnsw_desk_take(hnsw_desks *)
    void hnsw_desk_give(hnsw_desks *, hnsw_desk *)
    void hnsw_desks_release(hnsw_desks *)
    int hnsw_gate_enter(hnsw_gate *)
    void hnsw_gate_leave(hnsw_gate *)
    void hnsw_gate_close(hnsw_gate *, int closed)
    int hnsw_gate_is_empty(hnsw_gate *)
