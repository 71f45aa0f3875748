"""The tree of our errors, by what the caller does next. Each error of ours is in it;
`tests/test_errors.py` compares.

    TrialstreamError
    ├── RetryError                      wait, then try again
    │   ├── ApiUnavailableError         Kubernetes: no answer, or one that passes
    │   ├── BusUnavailableError         Kafka: no broker, no leader
    │   ├── ConflictError               Kubernetes: the object has changed, read it again
    │   ├── ExpiredError                Kubernetes: the list is too old, read it again
    │   ├── StoreUnavailableError       Postgres: no answer, the result may be unknown
    │   ├── ThrottledError              Kubernetes: our own limit of writes
    │   └── WorkerEndedError            a worker of searches: ask another
    ├── RefusalError                    tell the person, who has to change something
    │   ├── BrokenPromiseError          an algorithm that does not do what it promised
    │   ├── BusRefusedError             Kafka: credentials, permissions, topics
    │   │   └── RecordTooLargeError     … one record that is too large
    │   ├── CommandError                a command that cannot do what was asked
    │   │   └── DeletedError            … because somebody has deleted the experiment
    │   ├── ConstraintError             the text of a constraint
    │   ├── DifferentSpecError          another spec for an experiment that exists
    │   ├── DocumentError               the text of an experiment
    │   │   └── InvalidDocumentError    … each of its problems with its place
    │   ├── InfeasibleError             constraints that allow no point
    │   ├── InvalidSpecError            a spec that cannot run here
    │   ├── ManifestError               a workload that cannot be written
    │   │   └── ConfigMapError          … for its template is in no ConfigMap that may be used
    │   ├── MissingSourceError          something that the spec takes from is not there yet
    │   │   ├── MissingConfigMapError   … the ConfigMap of its template; a ConfigMapError, too
    │   │   └── UnknownEarlierError     … an earlier experiment
    │   ├── NameTakenError              another experiment has the name
    │   ├── NoKindError                 a kind of workload that the cluster does not know
    │   ├── PathError                   a path into a status
    │   ├── ProcessError                a template without a program to run on this machine
    │   ├── RefusedError                Kubernetes: permissions, quotas, an invalid object
    │   ├── ResultsFileError            a file with earlier results
    │   ├── SearchFailedError           a search that cannot answer
    │   ├── SettingsError               a setting
    │   ├── StoreRefusedError           Postgres: credentials, permissions, another schema
    │   ├── StuckError                  processes of this machine that neither end nor answer
    │   ├── TemplateError               a placeholder in a template
    │   ├── TokenRefusedError           a token of another stream
    │   ├── UnknownOrderError           what trials cannot be sorted by
    │   ├── UnreadableExperimentError   Postgres: an experiment that another version wrote
    │   └── WasDeletedError             an experiment that was recorded once, and deleted
    ├── PoisonError                     put the record aside as a dead letter
    │   ├── BrokenRecordError           a record of an event file
    │   ├── DamagedError                Kafka: a batch of records that cannot be read
    │   ├── DataRefusedError            Postgres: a value that it cannot hold
    │   └── UnreadableRecordError       a record that this version does not understand
    ├── AbandonError                    stop at once and keep nothing that was known
    │   ├── FencedError                 another controller owns the shard
    │   ├── LeftAtOnceError             the person has pressed Ctrl-C twice
    │   ├── NotFoundError               Kubernetes: the object is gone
    │   ├── WithdrawnError              Kubernetes: what waited to be sent is not wanted any more
    │   ├── _OverError                  what a view accompanies has ended
    │   └── _SettledError               what was waited for has come
    └── ApiError                        Kubernetes; a RetryError, RefusalError or AbandonError, too

Any other exception is a fault of the program. In the work for one experiment it puts that into
quarantine; elsewhere the process crashes and starts anew from what Postgres knows. One class stands
apart: `SpawnError` never leaves the supervisor of local trials, which imports nothing but the
standard library.
"""

from trialstream.errors import AbandonError, PoisonError, RefusalError, RetryError, TrialstreamError

__all__ = [
    "AbandonError",
    "MissingSourceError",
    "PoisonError",
    "RefusalError",
    "RetryError",
    "TrialstreamError",
]


class MissingSourceError(RefusalError):
    """Something from which the spec takes is not there; it may still come."""
