# web.cmake - the engine of the browser page: the library and web/*.c compiled by Emscripten, three
# times. repopt-simd needs SIMD128, repopt-threads also shared memory, repopt-scalar nothing.
#
# What decodes pictures, and with it the detector, stays out: no_pictures.c and no_detect.c stand in.
# cJSON, libyaml and zlib come as sources, from `scripts/setup --web`.
set(rep_deps ${PROJECT_SOURCE_DIR}/build/web-deps)
file(GLOB rep_cjson_dir ${rep_deps}/cjson-*/)
file(GLOB rep_yaml_dir ${rep_deps}/libyaml-*/)
file(GLOB rep_zlib_dir ${rep_deps}/zlib-*/)
foreach(dir rep_cjson_dir rep_yaml_dir rep_zlib_dir)
  list(FILTER ${dir} EXCLUDE REGEX "[.](xz|gz|bz2|dsc)/?$")
  if(NOT ${dir})
    message(FATAL_ERROR "build/web-deps lacks sources; run scripts/setup --web first")
  endif()
endforeach()
# Emscripten's linking step runs node with a module of Debian's, which another node does not find.
set_property(GLOBAL PROPERTY RULE_LAUNCH_LINK
             "${CMAKE_COMMAND} -E env NODE_PATH=/usr/share/nodejs")

# cJSON is included as <cjson/cJSON.h>.
set(rep_deps_include ${PROJECT_BINARY_DIR}/deps)
configure_file(${rep_cjson_dir}/cJSON.h ${rep_deps_include}/cjson/cJSON.h COPYONLY)
set(rep_deps_sources ${rep_cjson_dir}/cJSON.c)
foreach(name api reader scanner parser)
  list(APPEND rep_deps_sources ${rep_yaml_dir}/src/${name}.c)
endforeach()
foreach(name adler32 crc32 inffast inflate inftrees zutil)
  list(APPEND rep_deps_sources ${rep_zlib_dir}/${name}.c)
endforeach()

file(GLOB rep_web_library CONFIGURE_DEPENDS src/base/*.c src/config/*.c src/format/*.c src/graph/*.c
     src/device/*.c src/nn/*.c src/data/*.c src/train/*.c)
list(FILTER rep_web_library EXCLUDE REGEX "/device/vk_[a-z]+\\.c$")
list(FILTER rep_web_library EXCLUDE REGEX
     "/data/(jpeg|png|image|exif|resize|folder|coco|voc|annotations|categories|detection|paint|font|drawn_truth|drawn_scene)[a-z_]*\\.c$")
list(FILTER rep_web_library EXCLUDE REGEX
     "/train/(detect|detection|eval_detect|coco|voc|categories|predict|data_view|export|quantize|calibrate)[a-z_]*\\.c$")
file(GLOB rep_web_stand_ins CONFIGURE_DEPENDS src/data/no_*.c src/train/no_*.c)
list(APPEND rep_web_library ${rep_web_stand_ins})
list(REMOVE_DUPLICATES rep_web_library)
file(GLOB rep_web_sources CONFIGURE_DEPENDS web/*.c)
list(FILTER rep_web_sources EXCLUDE REGEX "/bench_main\\.c$")

# Compiles the kernels with the given flags as rep_web_<variant>_kernels.
function(rep_web_kernels variant)
  set(kernels rep_web_${variant}_kernels)
  add_library(${kernels} OBJECT ${rep_kernel_sources})
  target_compile_definitions(${kernels} PRIVATE REP_ISA=baseline REP_ISA_BASELINE=1)
  target_compile_options(${kernels} PRIVATE ${ARGN} ${rep_isa_flags_baseline} -fno-math-errno -O3)
  target_include_directories(${kernels} PRIVATE include src)
  rep_warnings(${kernels})
endfunction()

# Compiles everything else as rep_web_<variant>_host and _deps.
function(rep_web_host variant)
  set(deps rep_web_${variant}_deps)
  add_library(${deps} OBJECT ${rep_deps_sources})
  target_include_directories(${deps} PRIVATE ${rep_yaml_dir}/include ${rep_zlib_dir})
  target_compile_definitions(${deps} PRIVATE YAML_VERSION_MAJOR=0 YAML_VERSION_MINOR=2
                             YAML_VERSION_PATCH=5 YAML_VERSION_STRING="0.2.5")
  target_compile_options(${deps} PRIVATE ${ARGN} -Oz -w)

  set(host rep_web_${variant}_host)
  add_library(${host} OBJECT ${rep_web_library})
  target_include_directories(${host} PRIVATE include src)
  target_include_directories(${host} SYSTEM PRIVATE ${rep_deps_include} ${rep_yaml_dir}/include
                             ${rep_zlib_dir})
  target_compile_definitions(${host} PRIVATE _GNU_SOURCE REP_HAS_BASELINE=1)
  target_compile_options(${host} PRIVATE ${ARGN} -ffp-contract=off -Os)
  rep_warnings(${host})
endfunction()

# A module that carries `main`-less exports or a program, from the objects of a variant. What is not
# a kernel gains nothing from SIMD and is compiled once for both modules without threads.
function(rep_web_module name variant)
  set(host single)
  if(variant STREQUAL "threads")
    set(host threads)
  endif()
  cmake_parse_arguments(M "" "" "SOURCES;COMPILE;LINK" ${ARGN})
  add_executable(${name} ${M_SOURCES} $<TARGET_OBJECTS:rep_web_${variant}_kernels>
                 $<TARGET_OBJECTS:rep_web_${host}_host> $<TARGET_OBJECTS:rep_web_${host}_deps>)
  target_include_directories(${name} PRIVATE include src)
  target_include_directories(${name} SYSTEM PRIVATE ${rep_deps_include})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_compile_options(${name} PRIVATE ${M_COMPILE} -ffp-contract=off -Os)
  rep_warnings(${name})
  target_link_options(${name} PRIVATE ${M_COMPILE} ${M_LINK} -Os)
  set_target_properties(${name} PROPERTIES SUFFIX .mjs
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endfunction()

# Memory grows; a request that finds none left is a status, not the end. 512 KiB of stack: parsers
# and the drawing of pictures take some 40 KiB.
set(rep_web_memory
    -sMODULARIZE=1 -sEXPORT_ES6=1 -sEXPORT_NAME=createRepopt -sENVIRONMENT=web,worker
    -sALLOW_MEMORY_GROWTH=1 -sABORTING_MALLOC=0 -sTOTAL_STACK=524288 -sINITIAL_MEMORY=16777216
    -sMALLOC=emmalloc)
set(rep_web_link
    ${rep_web_memory} -sFORCE_FILESYSTEM=1 -sEXPORTED_FUNCTIONS=_malloc,_free
    -sEXPORTED_RUNTIME_METHODS=FS,UTF8ToString,stringToUTF8,lengthBytesUTF8 --no-entry)

rep_web_host(single)
rep_web_host(threads -msimd128 -pthread)
foreach(variant simd scalar threads)
  set(flags)
  set(link ${rep_web_link} -sMAXIMUM_MEMORY=2147483648)
  if(NOT variant STREQUAL "scalar")
    list(APPEND flags -msimd128)
  endif()
  if(variant STREQUAL "threads")
    list(APPEND flags -pthread)
    set(link ${rep_web_link} -sMAXIMUM_MEMORY=1073741824
        "-sPTHREAD_POOL_SIZE=2*Math.min(4,navigator.hardwareConcurrency)+2" -sPTHREAD_POOL_SIZE_STRICT=2
        -sDEFAULT_PTHREAD_STACK_SIZE=262144 -Wno-pthreads-mem-growth)
  endif()
  rep_web_kernels(${variant} ${flags})
  rep_web_module(repopt-${variant} ${variant} SOURCES ${rep_web_sources} COMPILE ${flags}
                 LINK ${link})
endforeach()

# Times steps with the workloads of `repopt bench`; no part of the page.
file(GLOB rep_bench_sources CONFIGURE_DEPENDS src/cli/bench_train.c src/cli/bench_step.c
     src/cli/bench_samples.c)
rep_web_module(bench simd SOURCES web/bench_main.c ${rep_bench_sources} COMPILE -msimd128
               LINK ${rep_web_memory} -sEXIT_RUNTIME=1)
set_target_properties(bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)

# ---- tests: node on what was built -----------------------------------------------------------------
set(REP_WEB_NATIVE "" CACHE FILEPATH "The native program whose bits the engine's must be")
enable_testing()
foreach(name lessons trainer errors bits)
  add_test(NAME web_${name} COMMAND node --test ${PROJECT_SOURCE_DIR}/web/test/engine_${name}.test.mjs)
  set(environment REPOPT_WEB=${PROJECT_BINARY_DIR})
  if(REP_WEB_NATIVE)
    list(APPEND environment REPOPT=${REP_WEB_NATIVE})
  endif()
  set_tests_properties(web_${name} PROPERTIES TIMEOUT 900 LABELS web ENVIRONMENT "${environment}")
endforeach()
