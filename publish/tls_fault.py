"""What an error of the encryption between box and store means."""

from __future__ import annotations

import ssl

from lesson.store_fault import StoreFault

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})  # OpenSSL's names of reasons
_BY_VERIFY_CODE = {  # X509_V_ERR_… of OpenSSL's x509_vfy.h
    9: StoreFault.OUT_OF_DATE,  # not yet valid
    10: StoreFault.OUT_OF_DATE,  # expired
    62: StoreFault.OTHER_NAME,  # of a host
    64: StoreFault.OTHER_NAME,  # of an IP address
}
TLS_WORDS = {
    StoreFault.PLAIN_HTTP: "this port speaks plain http: write s3+http",
    StoreFault.OTHER_NAME: "the certificate is for another name: write that name in store.url",
    StoreFault.OUT_OF_DATE: "the certificate is out of date, or this machine's clock is wrong",
    StoreFault.UNKNOWN_CERTIFICATE: "certificate unknown: put its CA into SSL_CERT_FILE",
}
"""Each fault for the person who wrote store.url."""


def tls_fault(error: BaseException) -> StoreFault:
    """The fault behind an error that OpenSSL raised, or that another library raised with OpenSSL's in its arguments."""
    cause = next((one for one in (error, *error.args) if isinstance(one, ssl.SSLError)), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(cause.verify_code, StoreFault.UNKNOWN_CERTIFICATE)
    return StoreFault.PLAIN_HTTP if getattr(cause, "reason", None) in _NO_TLS else StoreFault.UNKNOWN
