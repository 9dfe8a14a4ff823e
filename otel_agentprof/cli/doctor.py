class Doctor:
    """x"""
    name="doctor"
    def prepare_parser(self, p): pass
