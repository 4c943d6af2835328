# SPDX-License-Identifier: MIT
# What does the device's part (OBJECT) need from others? Two functions of mathematics, and the memory functions that
# every compiler may call: no heap, no exceptions, no input or output. Prints its size.
cmake_minimum_required(VERSION 3.22)
execute_process(COMMAND "${NM}" -u "${OBJECT}" OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed OR NOT symbols MATCHES "expf")
  message(FATAL_ERROR "${NM} can't tell what ${OBJECT} needs: ${symbols}")
endif()
string(REGEX MATCHALL "[A-Za-z_][A-Za-z0-9_.@]*[\n]" symbols "${symbols}")
foreach(symbol IN LISTS symbols)
  string(STRIP "${symbol}" symbol)
  if(NOT symbol MATCHES "^(expf|logf|memcpy|memset|memmove)$")
    message(SEND_ERROR "the device's part needs ${symbol}")
  endif()
endforeach()
execute_process(COMMAND "${SIZE}" "${OBJECT}")
