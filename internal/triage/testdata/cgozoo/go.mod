module cgozoo

go 1.22
