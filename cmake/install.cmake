# What `cmake --install` lays down beside the program: library, headers, configurations, and the two
# ways to find them (pkg-config and a CMake package).
set(rep_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/repopt)
install(TARGETS repopt EXPORT repoptTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/repopt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/repopt)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT repoptTargets NAMESPACE repopt:: DESTINATION ${rep_package_dir})
configure_package_config_file(cmake/repoptConfig.cmake.in repoptConfig.cmake
                              INSTALL_DESTINATION ${rep_package_dir})
write_basic_package_version_file(repoptConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/repoptConfig.cmake
              ${PROJECT_BINARY_DIR}/repoptConfigVersion.cmake DESTINATION ${rep_package_dir})

# A static library leaves its dependencies to whoever links it, so they are not private then.
get_target_property(rep_type repopt TYPE)
if(rep_type STREQUAL "STATIC_LIBRARY")
  set(rep_pc_requires Requires)
  set(rep_pc_libs "-lm -pthread")
else()
  set(rep_pc_requires Requires.private)
  set(rep_pc_libs "")
endif()
# The prefix is said relative to the file, so that an installed tree can be moved, and
# `cmake --install --prefix` needs no second configuration.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(rep_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH rep_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  set(rep_pc_prefix "\${pcfiledir}/${rep_up}")
  string(REGEX REPLACE "/$" "" rep_pc_prefix "${rep_pc_prefix}")
endif()
foreach(dir libdir includedir)
  string(TOUPPER ${dir} DIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${DIR}}")
    set(rep_pc_${dir} "${CMAKE_INSTALL_${DIR}}")
  else()
    set(rep_pc_${dir} "\${prefix}/${CMAKE_INSTALL_${DIR}}")
  endif()
endforeach()
configure_file(cmake/repopt.pc.in repopt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/repopt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
