# What `cmake --install` and CPack put where: the program, the library with its headers, and the files by which
# find_package(openautoglm) and pkg-config find it.
include(CMakePackageConfigHelpers)

if(CMAKE_CROSSCOMPILING)
  return()
endif()

# A static library hands its own dependencies to whoever links it.
get_target_property(library_type openautoglm TYPE)
set(OAG_IS_STATIC OFF)
if(library_type STREQUAL "STATIC_LIBRARY")
  set(OAG_IS_STATIC ON)
endif()
set(dependency_targets oag_fmt oag_text_deps oag_image_deps)
set(pkg_config_requires fmt spdlog libutf8proc spng libjpeg libwebpdemux libwebp)
if(OAG_NET)
  list(APPEND dependency_targets oag_net_deps oag_metrics_deps)
  list(APPEND pkg_config_requires openssl zlib prometheus-cpp-core)
endif()

if(TARGET oag)
  if(NOT OAG_IS_STATIC)
    file(RELATIVE_PATH to_library /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${CMAKE_INSTALL_LIBDIR})
    set_target_properties(oag PROPERTIES INSTALL_RPATH "$ORIGIN/${to_library}")
  endif()
  install(TARGETS oag RUNTIME COMPONENT runtime)
endif()
install(TARGETS openautoglm ${dependency_targets} EXPORT openautoglm_targets
        ARCHIVE COMPONENT development LIBRARY COMPONENT runtime NAMELINK_COMPONENT development)
if(OAG_ENGINE)  # the public API is the engine's
  install(DIRECTORY include/openautoglm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
          FILES_MATCHING PATTERN "*.h")
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/openautoglm)
install(EXPORT openautoglm_targets FILE openautoglmTargets.cmake NAMESPACE openautoglm:: DESTINATION ${package_dir}
        COMPONENT development)
configure_package_config_file(cmake/openautoglmConfig.cmake.in openautoglmConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may break: only the same one is compatible.
write_basic_package_version_file(openautoglmConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/openautoglmConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/openautoglmConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT development)

list(JOIN pkg_config_requires ", " OAG_PKG_CONFIG_REQUIRES)
set(OAG_PKG_CONFIG_REQUIRES_FIELD Requires.private)
if(OAG_IS_STATIC)
  set(OAG_PKG_CONFIG_REQUIRES_FIELD Requires)
endif()
# The prefix is found from where the file stands, so that an installed tree may be moved.
file(RELATIVE_PATH OAG_PKG_CONFIG_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/openautoglm.pc.in openautoglm.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/openautoglm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT development)

set(CPACK_PACKAGE_NAME openautoglm)
set(CPACK_PACKAGE_CONTACT "The OpenAutoGLM developers <developers@openautoglm.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR TGZ DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
