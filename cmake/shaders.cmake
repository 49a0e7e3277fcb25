# shaders.cmake - compiles every shaders/<name>.comp to SPIR-V and puts all of them into one C file.
#
# A shader that says act_t, itself or in what it includes, is built again as <name>.f16 (16-bit
# storage), one that includes common/reduce.glsl as <name>.sub (subgroup sums), one that does both in
# all four ways. Files <name>.coop.comp (matrix units) are half precision as they are and need a glslc
# that knows GL_KHR_cooperative_matrix; without one they are left out.
find_package(PkgConfig REQUIRED)
find_program(REP_GLSLC glslc DOC "The GLSL compiler (REP_GLSLC=PATH names another)")
find_program(REP_SPIRV_VAL spirv-val DOC "The SPIR-V validator")
find_path(REP_VULKAN_HEADERS vulkan/vulkan.h)
foreach(tool REP_GLSLC REP_SPIRV_VAL REP_VULKAN_HEADERS)
  if(NOT ${tool})
    message(FATAL_ERROR "REP_VULKAN: ${tool} is missing; install glslc, spirv-tools and "
            "libvulkan-dev (scripts/setup does), or configure with -DREP_VULKAN=OFF")
  endif()
endforeach()

set(probe ${CMAKE_BINARY_DIR}/shaders/probe.comp)
file(WRITE ${probe} "#version 450\n#extension GL_KHR_cooperative_matrix : require\n"
     "#extension GL_KHR_memory_scope_semantics : require\nlayout(local_size_x = 32) in;\n"
     "void main() {}\n")
execute_process(COMMAND ${REP_GLSLC} --target-env=vulkan1.2 ${probe} -o ${probe}.spv
                RESULT_VARIABLE probe_result OUTPUT_QUIET ERROR_QUIET)
if(probe_result EQUAL 0)
  set(rep_has_coop TRUE)
else()
  set(rep_has_coop FALSE)
  message(STATUS "shaders: ${REP_GLSLC} does not know GL_KHR_cooperative_matrix: "
          "matrix-unit variants are left out (REP_GLSLC=PATH names a newer one)")
endif()

set(rep_shader_folder ${CMAKE_BINARY_DIR}/shaders)
file(GLOB rep_shader_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/shaders/*.comp)
set(rep_shader_outputs)
set(rep_shader_arrays "")
set(rep_shader_rows "")

# One module: `name` is what the device asks for, `flags` go to the compiler.
function(rep_shader name file flags)
  set(out ${rep_shader_folder}/${name})
  set(target vulkan1.1)
  # Later SPIR-V would let the subgroup's size vary, which the host could not tell.
  if(name MATCHES "\\.coop")
    set(target vulkan1.2)
  endif()
  add_custom_command(
    OUTPUT ${out}.inc ${out}.spv
    COMMAND ${REP_GLSLC} -O --target-env=${target} ${flags} -I ${PROJECT_SOURCE_DIR}/shaders
            -I ${PROJECT_SOURCE_DIR}/include -MD -MF ${out}.d -MT ${out}.spv -o ${out}.spv ${file}
    COMMAND ${REP_SPIRV_VAL} --target-env ${target} ${out}.spv
    COMMAND ${REP_GLSLC} -O --target-env=${target} ${flags} -I ${PROJECT_SOURCE_DIR}/shaders
            -I ${PROJECT_SOURCE_DIR}/include -mfmt=c -o ${out}.inc ${file}
    DEPENDS ${file}
    DEPFILE ${out}.d
    COMMENT "Shader ${name}"
    VERBATIM)
  string(MAKE_C_IDENTIFIER ${name} id)
  set(rep_shader_outputs ${rep_shader_outputs} ${out}.inc PARENT_SCOPE)
  set(rep_shader_arrays
      "${rep_shader_arrays}static const uint32_t spv_${id}[] =\n#include \"${name}.inc\"\n;\n"
      PARENT_SCOPE)
  set(rep_shader_rows
      "${rep_shader_rows}    {\"${name}\", spv_${id}, sizeof spv_${id}},\n" PARENT_SCOPE)
endfunction()

# Whether a shader says act_t, common/args.glsl aside, which defines it.
function(rep_says_act_t file out)
  file(STRINGS ${file} said REGEX "act_t" LIMIT_COUNT 1)
  file(STRINGS ${file} includes REGEX "^#include \"common/")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "^#include \"(.*)\".*" "\\1" name ${line})
    if(NOT said AND NOT name STREQUAL "common/args.glsl")
      rep_says_act_t(${PROJECT_SOURCE_DIR}/shaders/${name} said)
    endif()
  endforeach()
  set(${out} ${said} PARENT_SCOPE)
endfunction()

foreach(file IN LISTS rep_shader_files)
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "\\.comp$" "" name ${name})
  if(name MATCHES "\\.coop" AND NOT rep_has_coop)
    continue()
  endif()
  rep_says_act_t(${file} has_act_t)
  file(STRINGS ${file} has_reduce REGEX "common/reduce.glsl" LIMIT_COUNT 1)
  rep_shader(${name} ${file} "")
  if(has_reduce)
    rep_shader(${name}.sub ${file} "-DREP_SUBGROUP")
  endif()
  if(has_act_t AND NOT name MATCHES "\\.coop")
    rep_shader(${name}.f16 ${file} "-DREP_F16")
    if(has_reduce)
      rep_shader(${name}.f16.sub ${file} "-DREP_F16;-DREP_SUBGROUP")
    endif()
  endif()
endforeach()

# ops.def itself, for shaders compiled at run time (src/device/vk_source.c).
set(rep_ops_file ${PROJECT_SOURCE_DIR}/include/repopt/ops.def)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${rep_ops_file})
file(READ ${rep_ops_file} rep_ops_hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," rep_ops_bytes "${rep_ops_hex}")
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n"
       rep_ops_bytes "${rep_ops_bytes}")

set(rep_shader_source ${rep_shader_folder}/vk_shaders.c)
file(CONFIGURE OUTPUT ${rep_shader_source} @ONLY CONTENT
"/* vk_shaders.c - every SPIR-V module of this build, by name. Generated. */
#include \"device/vk_dispatch.h\"

@rep_shader_arrays@
const rep_vk_shader rep_vk_shaders[] = {
@rep_shader_rows@};
const size_t rep_vk_shader_count = sizeof rep_vk_shaders / sizeof *rep_vk_shaders;

const char rep_vk_ops_text[] = {
@rep_ops_bytes@0};
const size_t rep_vk_ops_bytes = sizeof rep_vk_ops_text - 1;
")
set_source_files_properties(${rep_shader_source} PROPERTIES OBJECT_DEPENDS "${rep_shader_outputs}"
                            INCLUDE_DIRECTORIES ${rep_shader_folder})

# `repopt check --shader-dir` compiles with libshaderc where it has its header, else with glslc.
find_path(REP_SHADERC_HEADERS shaderc/shaderc.h)
if(REP_SHADERC_HEADERS)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/device/vk_shaderc.c PROPERTIES
                              COMPILE_DEFINITIONS REP_HAS_SHADERC=1
                              INCLUDE_DIRECTORIES ${REP_SHADERC_HEADERS})
endif()
