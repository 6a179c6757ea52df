"""HTTP: the portal, the quick look and DICOMweb, server-rendered, one table of routes.

settings     how the service is reached, and its limits
routes       every route, what it needs and who may, as data; docs/reference/http.md is made from it
gate         what stands before an endpoint: who is it, may they
calls        one request as an endpoint sees it
middleware   headers, hosts, origins, body limits, errors, the request log
problems     every way to say no: status, code for programs, sentence for people
signing      the session cookie and bearer tokens
pages        templates, and how names, dates and sizes read
assets       static files under the hash of their content
searches     a search's terms, kept in memory under a random name so that no URL carries them
streaming    answers that arrive in pieces, from threads, to peers that may be slow or gone
accept       media ranges (RFC 9110 12.5.1, PS3.18 8.7)
multipart    multipart/related (PS3.18 8.6.1.2)
auth         sign-in, sign-out, set-up
portal       study list, record, status
aside        what was kept aside, decisions on it, earlier versions
quicklook    study page, the images of a series, one rendered frame
studies      DICOMweb: QIDO-RS and WADO-RS
operations   health and metrics
app          puts them together
"""
