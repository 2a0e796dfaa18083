.Bx0J.P5
7 5
255
‰‘t7qà0dI¶Òž˜‰+'rŸNf•F,T˜»z†B/£˜Z>M