# Third-party libraries, each behind one oag_* interface target. docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)

# A cross build has no Debian packages of its own: the header-only parts are taken from the host.
if(CMAKE_CROSSCOMPILING)
  set(host_headers ${CMAKE_BINARY_DIR}/host_headers)
  file(MAKE_DIRECTORY ${host_headers})
  foreach(dir fmt spdlog nlohmann)
    file(CREATE_LINK /usr/include/${dir} ${host_headers}/${dir} SYMBOLIC)
  endforeach()
  add_library(oag_fmt INTERFACE)
  target_include_directories(oag_fmt SYSTEM INTERFACE ${host_headers})
  target_compile_definitions(oag_fmt INTERFACE FMT_HEADER_ONLY=1 SPDLOG_FMT_EXTERNAL=1)
else()
  find_package(fmt REQUIRED)
  find_package(spdlog REQUIRED)
  find_package(nlohmann_json 3.11 REQUIRED)
  add_library(oag_fmt INTERFACE)
  target_link_libraries(oag_fmt INTERFACE fmt::fmt spdlog::spdlog $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
endif()

if(OAG_NET)
  find_package(OpenSSL REQUIRED)
  find_package(Boost 1.81 REQUIRED)
  find_package(ZLIB REQUIRED)
  add_library(oag_net_deps INTERFACE)
  target_link_libraries(oag_net_deps INTERFACE OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB
                        $<BUILD_INTERFACE:Boost::headers>)
  find_library(prometheus-cpp-core_LIBRARY prometheus-cpp-core REQUIRED)
  add_library(oag_metrics_deps INTERFACE)
  target_link_libraries(oag_metrics_deps INTERFACE prometheus-cpp-core)  # by name: an installed tree may be moved
endif()

if(NOT CMAKE_CROSSCOMPILING)
  find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
  add_library(oag_text_deps INTERFACE)
  target_link_libraries(oag_text_deps INTERFACE utf8proc)  # by name: an installed tree may be moved
endif()

# Pictures; a cross build leaves their decoders out (src/CMakeLists.txt).
add_library(oag_image_deps INTERFACE)
if(NOT CMAKE_CROSSCOMPILING)
  foreach(library spng jpeg webp webpdemux)
    find_library(${library}_LIBRARY ${library} REQUIRED)
  endforeach()
  target_link_libraries(oag_image_deps INTERFACE spng jpeg webpdemux webp)  # by name, as above
endif()

if(OAG_TESTS)
  if(CMAKE_CROSSCOMPILING)
    add_subdirectory(/usr/src/googletest ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
    add_library(oag_gtest ALIAS gtest)
  else()
    find_package(GTest REQUIRED)
    add_library(oag_gtest ALIAS GTest::gtest)
  endif()
endif()
