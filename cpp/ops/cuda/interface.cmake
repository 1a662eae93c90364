# KERNEL_INTERFACE: the number of the interface between cuda_kernels.so and cuda_ops.so. It follows from the headers that are the
# interface, so that libraries of two builds are used together only where they fit.
set(interface_text "")
foreach(header kernel_library.h kernel_table.h kernels.h network_kernels.h graph_fills.h ../panorama_place.h)
  set(header ${CMAKE_CURRENT_LIST_DIR}/${header})
  file(READ ${header} text)
  string(APPEND interface_text "${text}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
endforeach()
string(SHA256 interface_hash "${interface_text}")
string(SUBSTRING ${interface_hash} 0 8 interface_hash)
set(KERNEL_INTERFACE 0x${interface_hash}U)
