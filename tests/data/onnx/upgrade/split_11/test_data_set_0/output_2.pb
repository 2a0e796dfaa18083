By_lateJ
×c?…ë¾áz”¾