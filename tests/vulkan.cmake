# vulkan.cmake - the tests that run on Vulkan drivers: <driver>.<test> for each driver known here.
#
# A driver is chosen with the loader's own variables, so that no other one of the machine is seen.
# One that is not installed has its tests skipped. What a test does with a device, and what the
# REPOPT_TEST_ variables mean, is in devices.h.
set(rep_icd_folders /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d /etc/vulkan/icd.d
    /usr/lib/chromium)
# CMake would keep an absent driver absent and a removed one present.
foreach(driver lavapipe swiftshader)
  unset(rep_icd_${driver})
endforeach()
foreach(folder IN LISTS rep_icd_folders)
  file(GLOB found ${folder}/lvp_icd*.json)
  list(APPEND rep_icd_lavapipe ${found})
  file(GLOB found ${folder}/vk_swiftshader_icd.json)
  list(APPEND rep_icd_swiftshader ${found})
endforeach()
set(rep_from_lavapipe mesa-vulkan-drivers)
set(rep_from_swiftshader chromium)
foreach(driver lavapipe swiftshader)
  if(rep_icd_${driver})
    list(GET rep_icd_${driver} 0 rep_icd_${driver})
  else()
    set(rep_icd_${driver} /no-${driver}:install-${rep_from_${driver}})
    message(STATUS "tests: ${driver} is not installed (Debian: ${rep_from_${driver}}): "
            "its tests are skipped")
  endif()
endforeach()

set(rep_driver_environment ${rep_test_environment})
if(CMAKE_C_FLAGS MATCHES "-fsanitize=")
  add_library(keep_modules MODULE keep_modules.c)
  target_compile_options(keep_modules PRIVATE -fno-sanitize=all)
  target_link_options(keep_modules PRIVATE -fno-sanitize=all)
  list(APPEND rep_driver_environment LD_PRELOAD=$<TARGET_FILE:keep_modules>
       ASAN_OPTIONS=verify_asan_link_order=0)
endif()

# rep_driver_test(NAME DRIVER COMMAND word... [ENVIRONMENT VARIABLE=VALUE...])
function(rep_driver_test name driver)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "COMMAND;ENVIRONMENT")
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 LABELS vulkan SKIP_RETURN_CODE 77
    ENVIRONMENT "${rep_driver_environment};VK_DRIVER_FILES=${rep_icd_${driver}};\
VK_ICD_FILENAMES=${rep_icd_${driver}};${arg_ENVIRONMENT}")
endfunction()

# rep_on_driver(PREFIX DRIVER [VARIABLE=VALUE...] TESTS name...): programs that read devices.h.
function(rep_on_driver prefix driver)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "TESTS")
  foreach(name IN LISTS arg_TESTS)
    rep_driver_test(${prefix}.${name} ${driver} COMMAND test_${name}
                    ENVIRONMENT REPOPT_TEST_DEVICES=vulkan ${arg_UNPARSED_ARGUMENTS})
  endforeach()
endfunction()

set(rep_short_tests ops oracle_ops oracle_blocks oracle_models oracle_optim oracle_rep vulkan
    conv_shaders)
rep_on_driver(lavapipe lavapipe REPOPT_TEST_VALIDATE=1
              TESTS ${rep_short_tests} oracle_detector verify train detect check_rows half)
rep_on_driver(lavapipe_small lavapipe REPOPT_TEST_SMALL=1 REPOPT_TEST_VALIDATE=1
              TESTS ops oracle_models)
rep_on_driver(swiftshader swiftshader REPOPT_TEST_VALIDATE=1 TESTS ${rep_short_tests})
# Checks inside the shaders make compiling them several times as long.
rep_on_driver(lavapipe_gpu_checks lavapipe REPOPT_TEST_VALIDATE=gpu TESTS ops)
rep_on_driver(swiftshader_gpu_checks swiftshader REPOPT_TEST_VALIDATE=gpu TESTS ops)

if(TARGET repopt-cli)
  rep_driver_test(lavapipe.cli lavapipe COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/test_vulkan_cli.sh
                  $<TARGET_FILE:repopt-cli>)
  rep_driver_test(lavapipe.export lavapipe COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/test_export.sh
                  $<TARGET_FILE:repopt-cli>)
  rep_driver_test(lavapipe.check lavapipe COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/test_check.sh
                  $<TARGET_FILE:repopt-cli> ${PROJECT_SOURCE_DIR})
endif()
