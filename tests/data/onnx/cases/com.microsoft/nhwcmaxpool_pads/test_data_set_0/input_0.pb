Bx0J(¥2T’ú“¨÷Wp%j%û¤f¸;twªHiXÑ²
–þtWh¤D