"""Rows of NAS-Bench-201 as published, and the ids we gave them: they are in users' databases, so they must never change."""

from __future__ import annotations

TABLE = """
    0 c6d913755abb1f86a55c    0 |avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|
 3599 bf6382b851344ce92353    0 |nor_conv_1x1~0|+|avg_pool_3x3~0|skip_connect~1|+|avg_pool_3x3~0|skip_connect~1|skip_connect~2|
 4980 4fa783704908110a6664    0 |skip_connect~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|
    1 0132513e563059a307bc    1 |nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|
 9121 0132513e563059a307bc 4176 |nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_3x3~0|avg_pool_3x3~1|skip_connect~2|
14580 0132513e563059a307bc 6100 |nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|skip_connect~2|
    2 c3510f4dbd54f5c09fc5    2 |avg_pool_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|
    3 7b6f8dd6832136186854    3 |avg_pool_3x3~0|+|skip_connect~0|none~1|+|none~0|none~1|skip_connect~2|
    9 7b6f8dd6832136186854    9 |avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|
   55 7b6f8dd6832136186854   52 |skip_connect~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|skip_connect~1|none~2|
    6 3f2206e69cd69e3f516c    6 |nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|
  563 3f2206e69cd69e3f516c  433 |nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|
  944 3f2206e69cd69e3f516c  652 |nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|
   22 97e0669c4dc7aa43fc63   22 |avg_pool_3x3~0|+|avg_pool_3x3~0|none~1|+|nor_conv_3x3~0|avg_pool_3x3~1|nor_conv_1x1~2|
 1569 adaa9fe5471827ef8bfa   22 |avg_pool_3x3~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|avg_pool_3x3~1|nor_conv_1x1~2|
   23 ca1814f2cfba249ec495   23 |skip_connect~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|avg_pool_3x3~2|
13782 7537cb5cb30325029ec8   23 |nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|nor_conv_3x3~0|skip_connect~1|avg_pool_3x3~2|
  610 aac33723ce8c9cb64a8f  464 |nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|none~0|skip_connect~1|skip_connect~2|
 2687 aac33723ce8c9cb64a8f  464 |nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|none~0|nor_conv_3x3~1|skip_connect~2|
 7591 c84492f329b58b911780 3619 |nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|none~0|skip_connect~1|skip_connect~2|
15495 0737bb84be790525ccd4 3619 |nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|nor_conv_1x1~0|none~1|skip_connect~2|
  224 cd20dfa68fddc9d1f833  191 |nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|
 4750 8e4bd6b65fa7914b6827  191 |nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|skip_connect~2|
  503 83e0095f2adb80d112e4  394 |skip_connect~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_3x3~2|
 1129 83e0095f2adb80d112e4  394 |skip_connect~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|
 9930 2127a844cb6763819ebe 4471 |nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|
 6111 2d83272c102233ce845f 3016 |nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|
10676 3ff83ddb2f70651d3db9 4724 |nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|
  857 881d4f7f37fb87de080b  604 |nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|
15624 b6be508759263df9de57 6465 |nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|nor_conv_1x1~1|nor_conv_1x1~2|
"""
"""Official index, our arch_id, class of the published unique string, official string."""

GOLDEN = [
    (int(index), text, int(iso_class), arch_id)
    for index, arch_id, iso_class, text in (line.split() for line in TABLE.strip().splitlines())
]
