"""The used parts of POSIX and of libjpeg's jpeglib.h (API 6.2, as in libjpeg-turbo and Pillow).

The structures are complete and in their order: libjpeg compares their size with its own, and ends
the process where they differ. Pointers that are not followed here are void.
"""

from importlib import metadata
from typing import Any

from cffi import FFI  # type: ignore[import-untyped]

VERSION = 62

_DECLARATIONS = """
typedef short JBLOCK[64];
typedef unsigned int JDIMENSION;
typedef int boolean;
typedef int JCOEFBITS[64];

typedef struct { uint16_t quantval[64]; boolean sent_table; } JQUANT_TBL;
typedef struct { uint8_t bits[17], huffval[256]; boolean sent_table; } JHUFF_TBL;
typedef struct { int comps_in_scan, component_index[4], Ss, Se, Ah, Al; } jpeg_scan_info;

struct jpeg_error_mgr {
  void *error_exit, *emit_message, *output_message;
  void (*format_message)(void *cinfo, char *buffer);
  void *reset_error_mgr;
  int msg_code;
  union { int i[8]; char s[80]; } msg_parm;
  int trace_level;
  long num_warnings;
  void *jpeg_message_table;
  int last_jpeg_message;
  void *addon_message_table;
  int first_addon_message, last_addon_message;
};

struct jpeg_memory_mgr {
  void *alloc_small, *alloc_large, *alloc_sarray, *alloc_barray, *request_virt_sarray;
  void *(*request_virt_barray)(void *cinfo, int pool, boolean pre_zero,
                               JDIMENSION blocks_per_row, JDIMENSION rows, JDIMENSION max_access);
  void (*realize_virt_arrays)(void *cinfo);
  void *access_virt_sarray;
  JBLOCK **(*access_virt_barray)(void *cinfo, void *array, JDIMENSION start_row,
                                 JDIMENSION rows, boolean writable);
  void *free_pool, *self_destruct;
  long max_memory_to_use, max_alloc_chunk;
};

typedef struct {
  int component_id, component_index, h_samp_factor, v_samp_factor, quant_tbl_no;
  int dc_tbl_no, ac_tbl_no;
  JDIMENSION width_in_blocks, height_in_blocks;
  int DCT_scaled_size;
  JDIMENSION downsampled_width, downsampled_height;
  boolean component_needed;
  int MCU_width, MCU_height, MCU_blocks, MCU_sample_width, last_col_width, last_row_height;
  JQUANT_TBL *quant_table;
  void *dct_table;
} jpeg_component_info;

struct jpeg_compress_struct {
  struct jpeg_error_mgr *err;
  struct jpeg_memory_mgr *mem;
  void *progress, *client_data;
  boolean is_decompressor;
  int global_state;
  void *dest;
  JDIMENSION image_width, image_height;
  int input_components, in_color_space;
  double input_gamma;
  int data_precision, num_components, jpeg_color_space;
  jpeg_component_info *comp_info;
  JQUANT_TBL *quant_tbl_ptrs[4];
  JHUFF_TBL *dc_huff_tbl_ptrs[4], *ac_huff_tbl_ptrs[4];
  uint8_t arith_dc_L[16], arith_dc_U[16], arith_ac_K[16];
  int num_scans;
  const jpeg_scan_info *scan_info;
  boolean raw_data_in, arith_code, optimize_coding, CCIR601_sampling;
  int smoothing_factor, dct_method;
  unsigned int restart_interval;
  int restart_in_rows;
  boolean write_JFIF_header;
  uint8_t JFIF_major_version, JFIF_minor_version, density_unit;
  uint16_t X_density, Y_density;
  boolean write_Adobe_marker;
  JDIMENSION next_scanline;
  boolean progressive_mode;
  int max_h_samp_factor, max_v_samp_factor;
  JDIMENSION total_iMCU_rows;
  int comps_in_scan;
  jpeg_component_info *cur_comp_info[4];
  JDIMENSION MCUs_per_row, MCU_rows_in_scan;
  int blocks_in_MCU, MCU_membership[10], Ss, Se, Ah, Al;
  void *master, *main, *prep, *coef, *marker, *cconvert, *downsample, *fdct, *entropy;
  void *script_space;
  int script_space_size;
};

struct jpeg_decompress_struct {
  struct jpeg_error_mgr *err;
  struct jpeg_memory_mgr *mem;
  void *progress, *client_data;
  boolean is_decompressor;
  int global_state;
  void *src;
  JDIMENSION image_width, image_height;
  int num_components, jpeg_color_space, out_color_space;
  unsigned int scale_num, scale_denom;
  double output_gamma;
  boolean buffered_image, raw_data_out;
  int dct_method;
  boolean do_fancy_upsampling, do_block_smoothing, quantize_colors;
  int dither_mode;
  boolean two_pass_quantize;
  int desired_number_of_colors;
  boolean enable_1pass_quant, enable_external_quant, enable_2pass_quant;
  JDIMENSION output_width, output_height;
  int out_color_components, output_components, rec_outbuf_height, actual_number_of_colors;
  void *colormap;
  JDIMENSION output_scanline;
  int input_scan_number;
  JDIMENSION input_iMCU_row;
  int output_scan_number;
  JDIMENSION output_iMCU_row;
  JCOEFBITS *coef_bits;
  JQUANT_TBL *quant_tbl_ptrs[4];
  JHUFF_TBL *dc_huff_tbl_ptrs[4], *ac_huff_tbl_ptrs[4];
  int data_precision;
  jpeg_component_info *comp_info;
  boolean progressive_mode, arith_code;
  uint8_t arith_dc_L[16], arith_dc_U[16], arith_ac_K[16];
  unsigned int restart_interval;
  boolean saw_JFIF_marker;
  uint8_t JFIF_major_version, JFIF_minor_version, density_unit;
  uint16_t X_density, Y_density;
  boolean saw_Adobe_marker;
  uint8_t Adobe_transform;
  boolean CCIR601_sampling;
  void *marker_list;
  int max_h_samp_factor, max_v_samp_factor, min_DCT_scaled_size;
  JDIMENSION total_iMCU_rows;
  void *sample_range_limit;
  int comps_in_scan;
  jpeg_component_info *cur_comp_info[4];
  JDIMENSION MCUs_per_row, MCU_rows_in_scan;
  int blocks_in_MCU, MCU_membership[10], Ss, Se, Ah, Al, unread_marker;
  void *master, *main, *coef, *post, *inputctl, *marker, *entropy, *idct, *upsample;
  void *cconvert, *cquantize;
};

struct jpeg_error_mgr *jpeg_std_error(struct jpeg_error_mgr *err);
void jpeg_CreateDecompress(struct jpeg_decompress_struct *cinfo, int version, size_t size);
void jpeg_CreateCompress(struct jpeg_compress_struct *cinfo, int version, size_t size);
void jpeg_destroy(void *cinfo);
void jpeg_mem_src(struct jpeg_decompress_struct *cinfo, const char *stream, unsigned long size);
void jpeg_mem_dest(struct jpeg_compress_struct *cinfo, char **buffer, unsigned long *size);
int jpeg_consume_input(struct jpeg_decompress_struct *cinfo);
void **jpeg_read_coefficients(struct jpeg_decompress_struct *cinfo);
void jpeg_set_defaults(struct jpeg_compress_struct *cinfo);
void jpeg_simple_progression(struct jpeg_compress_struct *cinfo);
JQUANT_TBL *jpeg_alloc_quant_table(void *cinfo);
JHUFF_TBL *jpeg_alloc_huff_table(void *cinfo);
void jpeg_write_coefficients(struct jpeg_compress_struct *cinfo, void **arrays);
void jpeg_finish_compress(struct jpeg_compress_struct *cinfo);

typedef unsigned long pthread_t;
int pthread_create(pthread_t *thread, const void *attributes, void *start, void *argument);
int pthread_join(pthread_t thread, void **value);
void pthread_exit(void *value);
void free(void *memory);
int getpid(void);
"""


def _path() -> str:
    """The library in Pillow's wheel, such as libjpeg-6dc8d115.so.62.4.0 or libjpeg.62.4.0.dylib."""
    for file in metadata.files("pillow") or []:
        if file.name.startswith("libjpeg") and f".{VERSION}." in file.name:
            return str(file.locate())
    raise ImportError(f"Pillow has no libjpeg {VERSION} of its own: install its wheel, with pip.")


ffi: Any = FFI()
ffi.cdef(_DECLARATIONS)
lib: Any = ffi.dlopen(_path())
libc: Any = ffi.dlopen(None)
