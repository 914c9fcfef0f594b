"""Each check can fail: the template with one fault, and the check that must detect it."""

import unittest

from stack import Template

ROLE = "test_the_role_may_do_this_and_no_more"
DONE = "test_the_role_is_enough_for_the_intake_and_not_for_harm"
LAKE = "test_the_lake_is_versioned_encrypted_private_and_never_expires"
BUFFER = "test_the_buffer_hands_over_batches_whose_items_fail_alone"
FUNCTION = "test_the_function_is_the_zip"
ALARMS = "test_there_are_alarms_for_silent_failures"
SENSE = "test_rules.Rules.test_valid_parameters_pass"
VALUES = "test_rules.Rules.test_values_that_cannot_work_are_refused"
CONTRADICTIONS = "test_rules.Rules.test_what_contradicts_itself_is_refused"
SOURCE = "ArnEquals: {aws:SourceArn: !If [CreateTopic, !Ref Topic, !Ref ExistingTopicArn]}"

# The check, the text in the template, and its replacement.
MUTATIONS = [
    (f"test_deployed.Buffered.{BUFFER}", "      FunctionResponseTypes: [ReportBatchItemFailures]\n", ""),
    (f"test_deployed.Buffered.{BUFFER}", "ScalingConfig: {MaximumConcurrency: !Ref MaximumConcurrency}", "ScalingConfig: {}"),
    (f"test_deployed.Buffered.{BUFFER}", "maxReceiveCount: 5", "maxReceiveCount: 1"),
    (f"test_deployed.Buffered.{BUFFER}", '"60": {Visibility: 660}', '"60": {Visibility: 60}'),
    ("test_deployed.Buffered.test_a_published_message_reaches_the_buffer_as_it_was", "      RawMessageDelivery: true\n", ""),
    ("test_deployed.Buffered.test_keys_serve_only_their_own_service", "secretsmanager.${AWS::Region}", "s3.${AWS::Region}"),
    (f"test_deployed.Direct.{ROLE}", "Action: [s3:PutObject, s3:GetObject]", "Action: s3:*"),
    (f"test_deployed.Direct.{ROLE}", "                  Resource: !GetAtt FailedMessages.Arn", '                  Resource: "*"'),
    (f"test_deployed.Direct.{ROLE}", "                Resource: !GetAtt FunctionLogs.Arn", '                Resource: "*"'),
    (f"test_deployed.Existing.{ROLE}", "                - Effect: Deny", "                - Effect: Allow"),
    (f"test_deployed.Direct.{DONE}", "[s3:PutObject, s3:GetObject]", "[s3:PutObject]"),
    (f"test_deployed.Direct.{DONE}", "[s3:PutObject, s3:GetObject]", "[s3:PutObject, s3:GetObject, s3:DeleteObject]"),
    (f"test_deployed.Direct.{DONE}", "${LakeBucket.Arn}/${LakePrefix}/*", "${LakeBucket.Arn}/*"),
    (f"test_deployed.Existing.{DONE}", "${ExistingLakeBucket}/quarentena/*", "${ExistingLakeBucket}/quarantine/*"),
    ("test_deployed.Direct.test_only_the_topic_may_fill_the_queues", SOURCE, 'ArnLike: {aws:SourceArn: "*"}'),
    ("test_deployed.Direct.test_there_is_one_subscription_with_its_dead_letters", "Endpoint: !GetAtt Function.Arn\n      RedrivePolicy: {deadLetterTargetArn: !GetAtt UndeliveredMessages.Arn}", "Endpoint: !GetAtt Function.Arn\n      RedrivePolicy: {deadLetterTargetArn: !GetAtt FailedMessages.Arn}"),
    ("test_deployed.Direct.test_direct_invocations_are_retried_and_then_kept", "MaximumRetryAttempts: 2", "MaximumRetryAttempts: 0"),
    ("test_deployed.Direct.test_queues_are_encrypted_and_dead_letters_stay_longest", "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false"),
    ("test_deployed.Direct.test_logs_are_kept_for_a_while", "      RetentionInDays: !Ref LogRetentionDays\n", ""),
    (f"test_deployed.Direct.{FUNCTION}", "!If [Reserve, !Ref MaximumConcurrency, !Ref AWS::NoValue]", "!Ref AWS::NoValue"),
    (f"test_deployed.Existing.{FUNCTION}", "[!Ref Architecture]", "[x86_64]"),
    (f"test_deployed.Direct.{LAKE}", "VersioningConfiguration: {Status: Enabled}", "VersioningConfiguration: {Status: Suspended}"),
    (f"test_deployed.Direct.{LAKE}", "RestrictPublicBuckets: true", "RestrictPublicBuckets: false"),
    (f"test_deployed.Direct.{LAKE}", 'aws:SecureTransport: "false"', 'aws:SecureTransport: "true"'),
    (f"test_deployed.Direct.{LAKE}", 's3:if-none-match: "true", s3:if-match: "true"', 's3:if-none-match: "true"'),
    (f"test_deployed.Direct.{LAKE}", '              Bool: {s3:ObjectCreationOperation: "true"}\n', ""),
    (f"test_deployed.Direct.{LAKE}", "            ExpiredObjectDeleteMarker: true", "            ExpirationInDays: 365"),
    (f"test_deployed.Buffered.{LAKE}", "SSEAlgorithm: aws:kms, KMSMasterKeyID: !Ref LakeKmsKeyArn", "SSEAlgorithm: AES256"),
    ("test_deployed.Deleted", "    Condition: CreateLake\n    DeletionPolicy: Retain", "    Condition: CreateLake\n    DeletionPolicy: Delete"),
    (f"test_deployed.Direct.{ALARMS}", "${AlarmAgeSeconds}000", "${AlarmAgeSeconds}"),
    (f"test_deployed.Direct.{ALARMS}", "TreatMissingData: notBreaching", "TreatMissingData: breaching"),
    (f"test_deployed.Buffered.{ALARMS}", "HasAlarmTopic, !Ref AlarmTopicArn", "HasAlarmTopic, !Ref AWS::NoValue"),
    ("test_deployed.Direct.test_outputs_feed_the_toolkits_variables", "RUMINATE_LAKE: URL", "RUMINATE_LAKES: URL"),
    ("test_deployed.ByIam.test_the_function_reads_its_environment", 'RDS_IAM_AUTH: !If [ByIam, "true"', 'RDS_IAM_AUTH: !If [BySecret, "true"'),
    ("test_deployed.ByIam.test_the_two_groups_let_each_other_through", "SourceSecurityGroupId: !Ref FunctionSecurityGroup", "CidrIp: 0.0.0.0/0"),
    ("test_deployed.Created.test_the_database_is_private_encrypted_and_backed_up", "StorageEncrypted: true", "StorageEncrypted: false"),
    ("test_deployed.Created.test_the_database_is_configured_for_the_toolkit", 'require_secure_transport: "1"', 'require_secure_transport: "0"'),
    ("test_deployed.Created.test_the_secret_is_generated_and_has_the_databases_address", "PasswordLength: 40", "PasswordLength: 42"),
    ("test_deployed.Created.test_the_function_alone_reaches_the_database", "      DestinationSecurityGroupId: !Ref DatabaseSecurityGroup\n", "      CidrIp: 0.0.0.0/0\n"),
    ("test_deployed.Direct.test_queues_refuse_requests_without_tls", 'Resource: !GetAtt FailedMessages.Arn\n            Condition:\n              Bool: {aws:SecureTransport: "false"}', "Resource: !GetAtt FailedMessages.Arn"),
    ("test_deployed.Direct.test_sns_signs_with_sha_256", 'SignatureVersion: "2"', 'SignatureVersion: "1"'),
    ("test_deployed.Direct.test_the_dashboard_shows_the_function_and_its_queues", '"rows_refused", ".", "."', '"refused", ".", "."'),
    ("test_deployed.Buffered.test_the_dashboard_shows_the_function_and_its_queues", "${Buffered}]}}", "]}}"),
    (f"test_deployed.Direct.{ALARMS}", "MetricName: conflicting", "MetricName: conflicts"),
    ("test_deployed.Existing.test_the_function_reaches_s3_and_its_secret_and_any_database", '${ExistingLakeBucket}/*"]\n  SecretEndpoint', '*"]\n  SecretEndpoint'),
    ("test_deployed.Created.test_the_function_has_its_own_account", '{"username":"ruminate_intake"}', '{"username":"ruminate"}'),
    (f"test_deployed.Created.{ROLE}", "Resource: !Ref IntakeSecret", "Resource: !Ref DatabaseSecret"),
    ("test_deployed.Created.test_the_function_reads_its_environment", "- !Ref IntakeSecret", "- !Ref DatabaseSecret"),
    ("test_deployed.Rotated.test_no_secret_is_rotated_without_a_function_for_it", "SecretId: !Ref IntakeSecret\n      RotationLambdaARN", "SecretId: !Ref DatabaseSecret\n      RotationLambdaARN"),
    ("test_text.Text.test_cfn_lint_finds_nothing", "Runtime: provided.al2023", "Runtime: provided.al2032"),
    ("test_text.Text.test_bundle_finds_its_two_lines", "x86_64 # bundle: architecture", "x86_64"),
    ("test_text.Text.test_cloudformation_can_read_it_unchanged", "Dimensions: [{Name: function", "Dimensions: &own [{Name: function"),
    ("test_text.Text.test_every_parameter_is_used_and_shown", "!Ref LogRetentionDays", "90"),
    ("test_text.Text.test_the_function_has_only_variables_that_it_reads", "RDS_CA_FILE: !If", "RDS_CAFILE: !If"),
    ("test_text.Text.test_a_message_stays_invisible_for_six_timeouts_and_the_window", "{Visibility: 480}", "{Visibility: 180}"),
    ("test_text.Text.test_what_holds_data_survives_the_stack", "DeletionPolicy: Snapshot", "DeletionPolicy: Delete"),
    ("test_text.Text.test_nothing_is_delivered_before_it_is_allowed", "DependsOn: [BufferPolicy, ", "DependsOn: ["),
    ("test_text.Text.test_the_limit_on_the_stacks_name_is_documented", "at most 64 characters", "at most 128 characters"),
    ("test_text.Text.test_sam_adds_no_resources", "      Role: !GetAtt FunctionRole.Arn\n", ""),
    (CONTRADICTIONS, "!Equals [!Ref DatabaseSslMode, VERIFY_IDENTITY]]", "!Equals [!Ref DatabaseSslMode, REQUIRED]]"),
    (CONTRADICTIONS, "RuleCondition: !Equals [!Ref LakeSse, AES256]", 'RuleCondition: !Equals [!Ref LakeSse, "aws:kms"]'),
    (CONTRADICTIONS, "[!Ref LakePrefix, quarentena]", "[!Ref LakePrefix, quarantine]"),
    (CONTRADICTIONS, "[!Ref LakePrefix, partes]", "[!Ref LakePrefix, parts]"),
    ("test_deployed.Catalogued.test_the_tables_are_over_the_lake_and_its_parts", "fazenda=${!fazenda}", "${!fazenda}"),
    (SENSE, "!Ref LakePrefix, quarentena]", "!Ref LakePrefix, quarentena_2]"),
    (VALUES, "MinValue: 0.0001", "MinValue: 0"),
    (VALUES, "MaxValue: 0.9999", "MaxValue: 1"),
    (SENSE, "MaxValue: 0.9999", "MaxValue: 0.5"),
    (VALUES, "[A-Za-z_][A-Za-z0-9_]{0,47}", "[A-Za-z_][A-Za-z0-9_]{0,48}"),
    (SENSE, "[A-Za-z_][A-Za-z0-9_]{0,47}", "[A-Za-z_][A-Za-z0-9_]{0,46}"),
    (VALUES, "[TRACE, DEBUG, INFO]", "[TRACE, DEBUG, INFO, WARN]"),
    (VALUES, "secret:[A-Za-z0-9/_+=.@!-]+-[A-Za-z0-9]{6}$", "secret:[A-Za-z0-9/_+=.@!-]+$"),
    (VALUES, "secret:[A-Za-z0-9/_+=.@!-]+-[A-Za-z0-9]{6}$", "secret:.+-[A-Za-z0-9]{6}$"),
    (SENSE, "secret:[A-Za-z0-9/_+=.@!-]+", "secret:[A-Za-z0-9/_+=.@-]+"),
    (VALUES, "(,subnet-[0-9a-f]+)+$", "(,subnet-[0-9a-f]+)*$"),
]


class Mutations(unittest.TestCase):
    def test_a_wrong_template_is_noticed(self):
        right = Template.text
        self.addCleanup(setattr, Template, "text", right)
        for check, written, instead in MUTATIONS:
            with self.subTest(f"{check}: {instead!r} instead of {written!r}"):
                self.assertIn(written, right)
                Template.text = right.replace(written, instead)
                result = unittest.TestResult()
                unittest.defaultTestLoader.loadTestsFromName(check).run(result)
                self.assertFalse(result.wasSuccessful() or not result.testsRun and not result.errors)
                Template.text = right
