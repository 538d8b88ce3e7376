from classroom.start import main

main()
