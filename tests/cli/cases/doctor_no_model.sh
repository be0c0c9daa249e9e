"$T" doctor
